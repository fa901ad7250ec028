//! Readers that packing and unpacking put around others: of an exact length, counted, or on a budget.

use std::{
    cell::Cell,
    io::{self, Read},
    rc::Rc,
};

use nix::errno::Errno;

use crate::Meter;

/// Exactly `left` bytes: it is an error where the inner reader ends early.
pub(crate) struct Exactly<R> {
    inner: R,
    left: u64,
}

impl<R> Exactly<R> {
    pub(crate) fn new(inner: R, left: u64) -> Self {
        Self { inner, left }
    }
}

impl<R: Read> Read for Exactly<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let wanted = usize::try_from(self.left).map_or(buffer.len(), |left| left.min(buffer.len()));
        let buffer = &mut buffer[..wanted];
        let read = self.inner.read(buffer)?;
        if read == 0 && wanted > 0 {
            // Its header has promised more.
            return Err(io::Error::from_raw_os_error(Errno::EIO as i32));
        }
        self.left -= read as u64;
        Ok(read)
    }
}

/// Counts what is read.
pub(crate) struct Metered<'a, R> {
    inner: R,
    meter: &'a Meter,
}

impl<'a, R> Metered<'a, R> {
    pub(crate) fn new(inner: R, meter: &'a Meter) -> Self {
        Self { inner, meter }
    }
}

impl<R: Read> Read for Metered<'_, R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.inner.read(buffer)?;
        self.meter.moved(read as u64);
        Ok(read)
    }
}

/// Fails once more is read than the budget, which the holder of the other end sets anew for each part.
pub(crate) struct Budgeted<R> {
    inner: R,
    budget: Rc<Cell<u64>>,
}

impl<R> Budgeted<R> {
    pub(crate) fn new(inner: R) -> (Self, Rc<Cell<u64>>) {
        let budget = Rc::new(Cell::new(u64::MAX));
        (Self { inner, budget: Rc::clone(&budget) }, budget)
    }
}

/// What [`Budgeted`] fails with.
pub(crate) const OVER_BUDGET: &str = "its headers are too large";

impl<R: Read> Read for Budgeted<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let budget = self.budget.get();
        if budget == 0 {
            return Err(io::Error::other(OVER_BUDGET));
        }
        let wanted = usize::try_from(budget).map_or(buffer.len(), |budget| budget.min(buffer.len()));
        let read = self.inner.read(&mut buffer[..wanted])?;
        self.budget.set(budget - read as u64);
        Ok(read)
    }
}
