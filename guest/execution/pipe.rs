//! The agent's ends of an execution's pipes and terminals: non-blocking descriptors on tokio's reactor.
//!
//! Called by `drain`, `stdin_writer` and `stdio`.
#![allow(unsafe_code, reason = "read(2) into uninitialised memory, FIONREAD")]

use std::{
    cell::RefCell,
    io,
    os::fd::{AsRawFd as _, OwnedFd},
    sync::Arc,
};

use boxlite_wire::limits;
use bytes::{BufMut as _, Bytes, BytesMut};
use nix::{
    errno::Errno,
    fcntl::{FcntlArg, OFlag, fcntl},
    libc,
    unistd::{pipe2, write},
};
use tokio::io::{Interest, unix::AsyncFd};

use crate::reactor;

/// Bytes that a pipe holds by default (pipe(7)).
const DEFAULT_PIPE: usize = 64 * 1024;

thread_local! {
    /// The buffer that reads go to first, so that an execution that writes little costs little.
    static SCRATCH: RefCell<BytesMut> = RefCell::default();
}

/// One end. It is shared because a terminal is read and written by the same descriptor.
pub(super) type Pipe = Arc<AsyncFd<OwnedFd>>;

/// Makes a pipe. Returns its read end and its write end, both in blocking mode.
pub(super) fn pair() -> io::Result<(OwnedFd, OwnedFd)> {
    Ok(pipe2(OFlag::O_CLOEXEC)?)
}

/// Puts this process's end on the reactor.
pub(super) fn watch(fd: OwnedFd, interest: Interest) -> io::Result<Pipe> {
    fcntl(&fd, FcntlArg::F_SETFL(OFlag::O_NONBLOCK))?;
    Ok(Arc::new(reactor::watch(fd, interest)?))
}

/// Reads what the reactor knows of. Empty is the end of the stream, also of one that can't be read any more. `None` if there is
/// nothing to read yet.
pub(super) fn take(pipe: &Pipe) -> Option<Bytes> {
    unless_empty(pipe.try_io(Interest::READABLE, read_now))
}

/// Reads as [`take`] does, and also what the reactor does not know of yet.
pub(super) fn take_at_hand(pipe: &Pipe) -> Option<Bytes> {
    take(pipe).or_else(|| unless_empty(read_now(pipe.get_ref())))
}

fn unless_empty(read: io::Result<Bytes>) -> Option<Bytes> {
    match read {
        Err(error) if error.kind() == io::ErrorKind::WouldBlock => None,
        read => Some(read.unwrap_or_default()),
    }
}

/// Calls read(2) once. A terminal whose other side is closed has ended (EIO), as a pipe has.
fn read_now(fd: &OwnedFd) -> io::Result<Bytes> {
    SCRATCH.with_borrow_mut(|scratch| {
        scratch.clear();
        scratch.reserve(limits::CHUNK);
        let room = scratch.chunk_mut();
        let max = limits::CHUNK.min(room.len());
        // SAFETY: the kernel writes at most `max` bytes to memory that `reserve` has made sure of.
        let answer = unsafe { libc::read(fd.as_raw_fd(), room.as_mut_ptr().cast(), max) };
        let read = match Errno::result(answer) {
            Ok(read) => read.unsigned_abs(),
            Err(Errno::EIO) => 0,
            Err(errno) => return Err(errno.into()),
        };
        // SAFETY: the kernel has just initialised that many bytes.
        unsafe { scratch.advance_mut(read) };
        if read == DEFAULT_PIPE {
            // The pipe was full, and a larger one means fewer reads. Where the kernel refuses, the small one has to do.
            let _ = libc::c_int::try_from(limits::CHUNK).map(|size| fcntl(fd, FcntlArg::F_SETPIPE_SZ(size)));
        }
        // A large chunk is passed on as it is. A small one must not keep a large buffer alive.
        Ok(if read >= limits::CHUNK / 2 { scratch.split().freeze() } else { Bytes::copy_from_slice(scratch) })
    })
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
pub(super) fn waiting(pipe: &Pipe) -> usize {
    let mut count: libc::c_int = 0;
    // SAFETY: FIONREAD writes one int, which outlives the call.
    let answer = unsafe { libc::ioctl(pipe.as_raw_fd(), libc::FIONREAD, &raw mut count) };
    if answer < 0 { 0 } else { usize::try_from(count).unwrap_or(0) }
}
