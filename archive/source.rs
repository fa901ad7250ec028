//! Readers that `pack` puts around others: of an exact length, or counted.

use std::io::{self, Read};

use nix::errno::Errno;

use crate::meter::Meter;

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
