//! The gateway's end of the link to the machine: a Unix stream socket that carries frames, each with its length before it (four bytes,
//! big-endian). One call reads or writes many frames. Bounds of bandwidth are kept here, since whoever waits for the link then waits for
//! them too.

use std::{
    io,
    os::fd::OwnedFd,
    pin::Pin,
    task::{Context, Poll, ready},
    time::Instant,
};

use boxlite_spec::network::NetworkLimits;
use socket2::{Domain, SockRef, Socket, Type};
use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    net::UnixStream,
};

use super::{
    bucket::Bucket,
    frame::FRAME_MAX,
    outgoing::{LENGTH, Outgoing},
};

/// How much is read at once.
const READ: usize = 320 * 1024;
/// How much either end may have under way, as far as the system allows it.
const SOCKET_BUFFER: usize = 1 << 20;

/// Makes the two ends of a link: the gateway's, which does not block, and the machine's.
///
/// # Errors
/// If the system has no descriptors left.
pub(super) fn pair() -> io::Result<(std::os::unix::net::UnixStream, OwnedFd)> {
    let (ours, theirs) = Socket::pair(Domain::UNIX, Type::STREAM, None)?;
    for end in [&ours, &theirs] {
        // Smaller buffers only cost speed.
        let _ = SockRef::from(end).set_send_buffer_size(SOCKET_BUFFER);
    }
    ours.set_nonblocking(true)?;
    Ok((OwnedFd::from(ours).into(), theirs.into()))
}

/// The gateway's end.
#[derive(Debug)]
pub(super) struct Link {
    socket: UnixStream,
    memory: Box<[u8]>,
    start: usize,
    end: usize,
    up: Bucket,
    down: Bucket,
}

/// Why the link has ended.
#[derive(Debug)]
pub(super) enum LinkEnd {
    /// The machine is gone, or its end of the socket failed.
    HungUp,
    /// A length that no frame has.
    BadLength,
}

impl Link {
    /// Takes the gateway's end, within a tokio runtime.
    ///
    /// # Errors
    /// If the runtime can't watch the socket.
    pub(super) fn new(socket: std::os::unix::net::UnixStream, limits: &NetworkLimits) -> io::Result<Self> {
        let now = Instant::now();
        Ok(Self {
            socket: UnixStream::from_std(socket)?,
            memory: vec![0; READ].into_boxed_slice(),
            start: 0,
            end: 0,
            up: Bucket::bandwidth(limits.up, now),
            down: Bucket::bandwidth(limits.down, now),
        })
    }

    /// Reads what has come. Ready with `true` if there may be more.
    ///
    /// # Errors
    /// When the link has ended.
    pub(super) fn poll_fill(
        &mut self,
        context: &mut Context<'_>,
        now: Instant,
    ) -> Poll<Result<bool, LinkEnd>> {
        let most = self.up.available(now);
        if most == 0 {
            return Poll::Pending;
        }
        if self.start == self.end {
            (self.start, self.end) = (0, 0);
        } else if READ - self.end < LENGTH + FRAME_MAX {
            self.memory.copy_within(self.start..self.end, 0);
            (self.start, self.end) = (0, self.end - self.start);
        }
        let end = self.end + most.min(READ - self.end);
        let mut buffer = ReadBuf::new(&mut self.memory[self.end..end]);
        let read = ready!(Pin::new(&mut self.socket).poll_read(context, &mut buffer));
        let full = buffer.remaining() == 0;
        let count = buffer.filled().len();
        match read {
            Ok(()) if count == 0 => Poll::Ready(Err(LinkEnd::HungUp)),
            Ok(()) => {
                self.end += count;
                self.up.spend(count);
                Poll::Ready(Ok(full))
            }
            Err(_) => Poll::Ready(Err(LinkEnd::HungUp)),
        }
    }

    /// Returns the next whole frame of those that have been read.
    ///
    /// # Errors
    /// When the length can't be a frame's.
    pub(super) fn next_frame(&mut self) -> Result<Option<&[u8]>, LinkEnd> {
        let read = &self.memory[self.start..self.end];
        let Some((prefix, rest)) = read.split_first_chunk::<LENGTH>() else { return Ok(None) };
        let bytes = usize::try_from(u32::from_be_bytes(*prefix)).unwrap_or(usize::MAX);
        if bytes == 0 || bytes > FRAME_MAX + 1 {
            return Err(LinkEnd::BadLength);
        }
        if rest.len() < bytes {
            return Ok(None);
        }
        let at = self.start + LENGTH;
        self.start = at + bytes;
        Ok(Some(&self.memory[at..at + bytes]))
    }

    /// Writes what waits. Ready with whether anything has left; pending if the machine, or the bound of bandwidth, lets nothing leave now.
    ///
    /// # Errors
    /// When the link has ended.
    pub(super) fn poll_flush(
        &mut self,
        context: &mut Context<'_>,
        out: &mut Outgoing,
        now: Instant,
    ) -> Poll<Result<bool, LinkEnd>> {
        let mut moved = false;
        while !out.is_empty() {
            let most = self.down.available(now);
            let written = if most == 0 {
                Poll::Pending
            } else {
                Pin::new(&mut self.socket).poll_write_vectored(context, &out.slices(most))
            };
            match written {
                Poll::Ready(Ok(count)) if count > 0 => {
                    out.consume(count);
                    self.down.spend(count);
                    moved = true;
                }
                Poll::Ready(_) => return Poll::Ready(Err(LinkEnd::HungUp)),
                Poll::Pending if moved => break,
                Poll::Pending => return Poll::Pending,
            }
        }
        Poll::Ready(Ok(moved))
    }

    /// When the bounds of bandwidth allow more, if they hold something back.
    pub(super) fn wake_at(&self, waiting: bool) -> Option<Instant> {
        let down = if waiting { self.down.wake_at() } else { None };
        self.up.wake_at().into_iter().chain(down).min()
    }
}
