//! The agent's ends of an execution's pipes and terminals: non-blocking descriptors on tokio's reactor.
//!
//! Called by `output`, `input` and `start`.
#![allow(unsafe_code, reason = "read(2) into uninitialised memory, FIONREAD")]

use std::{
    io,
    os::fd::{AsRawFd as _, OwnedFd},
    sync::Arc,
};

use bytes::{BufMut as _, BytesMut};
use nix::{
    errno::Errno,
    fcntl::{FcntlArg, OFlag, fcntl},
    libc,
    unistd::{pipe2, write},
};
use tokio::io::{Interest, unix::AsyncFd};

use crate::reactor;

/// One end. Shared, because a terminal is read and written by the same descriptor.
pub(super) type Pipe = Arc<AsyncFd<OwnedFd>>;

/// A fresh pipe: its read end and its write end, both blocking.
pub(super) fn pair() -> io::Result<(OwnedFd, OwnedFd)> {
    Ok(pipe2(OFlag::O_CLOEXEC)?)
}

/// Puts this process's end on the reactor.
pub(super) fn watch(fd: OwnedFd, interest: Interest) -> io::Result<Pipe> {
    fcntl(&fd, FcntlArg::F_SETFL(OFlag::O_NONBLOCK))?;
    Ok(Arc::new(reactor::watch(fd, interest)?))
}

/// Waits for bytes and reads them into `buffer`; 0 is the end. Cancelling it loses nothing.
pub(super) async fn read(pipe: &Pipe, buffer: &mut BytesMut, max: usize) -> io::Result<usize> {
    loop {
        let mut ready = pipe.readable().await?;
        if let Ok(read) = ready.try_io(|fd| read_now(fd.get_ref(), buffer, max)) {
            return read;
        }
    }
}

/// Reads what is there now. A terminal whose other side is closed has ended (EIO), as a pipe has.
pub(super) fn read_now(fd: &OwnedFd, buffer: &mut BytesMut, max: usize) -> io::Result<usize> {
    buffer.reserve(max);
    let room = buffer.chunk_mut();
    // SAFETY: the kernel writes at most `max` bytes to memory that `reserve` has made sure of.
    let answer = unsafe { libc::read(fd.as_raw_fd(), room.as_mut_ptr().cast(), max.min(room.len())) };
    match Errno::result(answer) {
        Ok(read) => {
            let read = read.unsigned_abs();
            // SAFETY: the kernel has just initialised that many bytes.
            unsafe { buffer.advance_mut(read) };
            Ok(read)
        }
        Err(Errno::EIO) => Ok(0),
        Err(errno) => Err(errno.into()),
    }
}

/// Writes some of `data`, waiting for room.
pub(super) async fn write_some(pipe: &Pipe, data: &[u8]) -> io::Result<usize> {
    loop {
        let mut ready = pipe.writable().await?;
        if let Ok(written) = ready.try_io(|fd| write(fd.get_ref(), data).map_err(Into::into)) {
            return written;
        }
    }
}

/// How many bytes wait in the pipe.
pub(super) fn waiting(fd: &OwnedFd) -> usize {
    let mut count: libc::c_int = 0;
    // SAFETY: FIONREAD writes one int, which outlives the call.
    let answer = unsafe { libc::ioctl(fd.as_raw_fd(), libc::FIONREAD, &raw mut count) };
    if answer < 0 { 0 } else { usize::try_from(count).unwrap_or(0) }
}
