//! A reader of an exact length, whose bytes are counted. `pack` puts it around what a file's entry holds.

use std::io::{self, Read};

use nix::errno::Errno;

use crate::meter::Meter;

/// Exactly `left` bytes: it is an error where the inner reader ends early.
pub(crate) struct Exactly<'a, R> {
    pub(crate) inner: R,
    pub(crate) left: u64,
    pub(crate) meter: &'a Meter,
}

impl<R: Read> Read for Exactly<'_, R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let wanted = usize::try_from(self.left).map_or(buffer.len(), |left| left.min(buffer.len()));
        let read = self.inner.read(&mut buffer[..wanted])?;
        if read == 0 && wanted > 0 {
            // Its header has promised more.
            return Err(io::Error::from_raw_os_error(Errno::EIO as i32));
        }
        self.left -= read as u64;
        self.meter.moved(read as u64);
        Ok(read)
    }
}
