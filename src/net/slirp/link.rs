//! `Link`: the backend's end of the link to the machine, without an event loop of its own: a Unix stream socket that carries frames, each
//! with its length before it (four bytes, big-endian). Driven by `run`.

use std::{
    io::{self, ErrorKind, Read as _, Write as _},
    os::{
        fd::{AsRawFd as _, RawFd},
        unix::net::UnixStream,
    },
};

use crate::gateway::{
    frame::FRAME_MAX,
    outgoing::{LENGTH, Outgoing},
};

/// How much is read at once.
const READ: usize = 256 * 1024;

/// Our end.
#[derive(Debug)]
pub(super) struct Link {
    socket: UnixStream,
    memory: Box<[u8]>,
    start: usize,
    end: usize,
}

impl Link {
    /// Takes a socket that does not block.
    pub(super) fn new(socket: UnixStream) -> Self {
        Self { socket, memory: vec![0; READ].into_boxed_slice(), start: 0, end: 0 }
    }

    pub(super) fn fd(&self) -> RawFd {
        self.socket.as_raw_fd()
    }

    /// Reads what has come.
    ///
    /// # Errors
    /// When the link has ended.
    pub(super) fn fill(&mut self) -> io::Result<()> {
        if self.start == self.end {
            (self.start, self.end) = (0, 0);
        } else if READ - self.end < LENGTH + FRAME_MAX {
            self.memory.copy_within(self.start..self.end, 0);
            (self.start, self.end) = (0, self.end - self.start);
        }
        match self.socket.read(&mut self.memory[self.end..]) {
            Ok(0) if self.end < READ => Err(ErrorKind::UnexpectedEof.into()),
            Ok(count) => {
                self.end += count;
                Ok(())
            }
            Err(error) if is_pause(&error) => Ok(()),
            Err(error) => Err(error),
        }
    }

    /// The next whole frame of those that have been read.
    ///
    /// # Errors
    /// When its length can't be a frame's: then nobody knows where the next one begins.
    pub(super) fn next(&mut self) -> io::Result<Option<&[u8]>> {
        let read = &self.memory[self.start..self.end];
        let Some((prefix, rest)) = read.split_first_chunk::<LENGTH>() else { return Ok(None) };
        let bytes = usize::try_from(u32::from_be_bytes(*prefix)).unwrap_or(usize::MAX);
        if bytes == 0 || bytes > FRAME_MAX + 1 {
            return Err(ErrorKind::InvalidData.into());
        }
        if rest.len() < bytes {
            return Ok(None);
        }
        let at = self.start + LENGTH;
        self.start = at + bytes;
        Ok(Some(&self.memory[at..at + bytes]))
    }

    /// Writes what waits, as far as the machine takes it.
    ///
    /// # Errors
    /// When the link has ended.
    pub(super) fn flush(&mut self, out: &mut Outgoing) -> io::Result<()> {
        while !out.is_empty() {
            match self.socket.write_vectored(&out.slices(usize::MAX)) {
                Ok(0) => return Err(ErrorKind::WriteZero.into()),
                Ok(count) => out.consume(count),
                Err(error) if is_pause(&error) => break,
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }
}

fn is_pause(error: &io::Error) -> bool {
    matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::Interrupted)
}
