//! The gateway's end of the link to the machine: a Unix stream socket that carries frames, each with its length before it (four bytes,
//! big-endian). One call reads or writes many frames. Bounds of bandwidth are kept here, since whoever waits for the link then waits for
//! them too.
//!
//! The socket is watched for reading alone. It is watched for room only while frames wait for it: the kernel reports room whenever the
//! machine takes a frame, and a thread that is woken for each frame in vain takes time from the box.

#![allow(unsafe_code, reason = "tokio watches descriptors by an unsafe call")]

use std::{
    io::{self, Read as _, Write as _},
    os::{
        fd::{AsRawFd, OwnedFd},
        unix::net::UnixStream,
    },
    sync::Arc,
    task::{Context, Poll, ready},
    time::Instant,
};

use boxlite_spec::network::NetworkLimits;
use socket2::{Domain, SockRef, Socket, Type};
use tokio::io::{Interest, unix::AsyncFd};

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
pub(crate) fn pair() -> io::Result<(UnixStream, OwnedFd)> {
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
pub(crate) struct Link {
    socket: AsyncFd<UnixStream>,
    /// The same socket under a second descriptor, since the system watches a descriptor once.
    second: Arc<UnixStream>,
    /// The second one while it is watched for room.
    room: Option<AsyncFd<Arc<UnixStream>>>,
    memory: Box<[u8]>,
    start: usize,
    end: usize,
    up: Bucket,
    down: Bucket,
}

/// Why the link has ended.
#[derive(Debug)]
pub(crate) enum LinkEnd {
    /// The machine is gone, or its end of the socket failed.
    HungUp,
    /// A length that no frame has.
    BadLength,
}

impl Link {
    /// Takes the gateway's end, within a tokio runtime.
    ///
    /// # Errors
    /// If the system has no descriptors left, or the runtime can't watch the socket.
    pub(crate) fn new(socket: UnixStream, limits: &NetworkLimits) -> io::Result<Self> {
        let now = Instant::now();
        Ok(Self {
            second: Arc::new(socket.try_clone()?),
            socket: watched(socket, Interest::READABLE)?,
            room: None,
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
    pub(crate) fn poll_fill(
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
        loop {
            let Ok(mut ready) = ready!(self.socket.poll_read_ready(context)) else {
                return Poll::Ready(Err(LinkEnd::HungUp));
            };
            let read = ready.try_io(|socket| socket.get_ref().read(&mut self.memory[self.end..end]));
            match read {
                Ok(Ok(count)) if count > 0 => {
                    let full = count == end - self.end;
                    // The kernel reports what comes after this, so that it is not asked in vain.
                    if !full {
                        ready.clear_ready();
                    }
                    self.end += count;
                    self.up.spend(count);
                    return Poll::Ready(Ok(full));
                }
                Ok(Err(error)) if error.kind() == io::ErrorKind::Interrupted => {}
                Ok(_) => return Poll::Ready(Err(LinkEnd::HungUp)),
                Err(_would_block) => {}
            }
        }
    }

    /// Returns the next whole frame of those that have been read.
    ///
    /// # Errors
    /// When the length can't be a frame's.
    pub(crate) fn next_frame(&mut self) -> Result<Option<&[u8]>, LinkEnd> {
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
    pub(crate) fn poll_flush(
        &mut self,
        context: &mut Context<'_>,
        out: &mut Outgoing,
        now: Instant,
    ) -> Poll<Result<bool, LinkEnd>> {
        let mut moved = false;
        while !out.is_empty() {
            let most = self.down.available(now);
            let written = if most == 0 { Poll::Pending } else { self.poll_write(context, out, most) };
            match written {
                Poll::Ready(Ok(count)) if count > 0 => {
                    out.consume(count);
                    self.down.spend(count);
                    moved = true;
                }
                Poll::Ready(_) => return Poll::Ready(Err(LinkEnd::HungUp)),
                Poll::Pending if moved => return Poll::Ready(Ok(true)),
                Poll::Pending => return Poll::Pending,
            }
        }
        self.room = None;
        Poll::Ready(Ok(moved))
    }

    /// Writes at most `most` bytes of what waits.
    fn poll_write(
        &mut self,
        context: &mut Context<'_>,
        out: &Outgoing,
        most: usize,
    ) -> Poll<io::Result<usize>> {
        loop {
            if let Some(room) = &self.room {
                let mut ready = ready!(room.poll_write_ready(context))?;
                if let Ok(written) = ready.try_io(|socket| write(socket.get_ref(), out, most)) {
                    return Poll::Ready(written);
                }
                continue;
            }
            match write(self.socket.get_ref(), out, most) {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    let second = Arc::clone(&self.second);
                    self.room = Some(watched(second, Interest::WRITABLE)?);
                }
                written => return Poll::Ready(written),
            }
        }
    }

    /// When the bounds of bandwidth allow more, if they hold something back.
    pub(crate) fn wake_at(&self, waiting: bool) -> Option<Instant> {
        let down = if waiting { self.down.wake_at() } else { None };
        self.up.wake_at().into_iter().chain(down).min()
    }
}

/// Has the runtime watch a socket.
fn watched<S: AsRawFd>(socket: S, interest: Interest) -> io::Result<AsyncFd<S>> {
    // SAFETY: the socket is open, and whoever is watched owns it and never exchanges it.
    let watched = unsafe { AsyncFd::register_with_interest(socket, interest) };
    watched.map_err(|error| error.into_parts().1)
}

fn write(mut socket: &UnixStream, out: &Outgoing, most: usize) -> io::Result<usize> {
    loop {
        match socket.write_vectored(&out.slices(most)) {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            written => return written,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::{future::poll_fn, thread};

    use proptest::prelude::*;
    use tokio::runtime::{Builder, Runtime};

    use super::*;

    fn link() -> (Runtime, Link, UnixStream) {
        let runtime = Builder::new_current_thread().enable_io().build().unwrap();
        let (ours, theirs) = pair().unwrap();
        let link = {
            let _inside = runtime.enter();
            Link::new(ours, &NetworkLimits::default()).unwrap()
        };
        (runtime, link, theirs.into())
    }

    /// Pushes frames until none has room.
    fn fill(out: &mut Outgoing) {
        while let Some(frame) = out.push(1514) {
            frame.fill(7);
        }
    }

    #[test]
    fn room_is_watched_for_only_while_frames_wait() {
        let (runtime, mut link, mut machine) = link();
        let mut out = Outgoing::new(Arc::default());
        out.push(60).unwrap();
        let flushed = |link: &mut Link, out: &mut Outgoing| {
            runtime.block_on(poll_fn(|context| Poll::Ready(link.poll_flush(context, out, Instant::now()))))
        };
        assert!(matches!(flushed(&mut link, &mut out), Poll::Ready(Ok(true))));
        assert!(link.room.is_none() && out.is_empty());
        // More than the socket holds.
        let mut whole = 64;
        for _ in 0..20 {
            let before = out.len();
            fill(&mut out);
            whole += out.len() - before;
            let _ = flushed(&mut link, &mut out);
        }
        assert!(link.room.is_some() && !out.is_empty());
        let reading = thread::spawn(move || machine.read_exact(&mut vec![0; whole]).map(|()| machine));
        while !out.is_empty() {
            runtime.block_on(poll_fn(|context| link.poll_flush(context, &mut out, Instant::now()))).unwrap();
        }
        assert!(link.room.is_none());
        let machine = reading.join().unwrap().unwrap();
        drop(machine);
        let end = runtime.block_on(poll_fn(|context| link.poll_fill(context, Instant::now())));
        assert!(matches!(end, Err(LinkEnd::HungUp)));
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(32))]

        /// Frames arrive whole and in their order, in whatever pieces the machine writes them.
        #[test]
        fn frames_are_found_however_they_are_cut(
            lengths in prop::collection::vec(1..70_000_usize, 1..40),
            piece in 1..100_000_usize,
        ) {
            let (runtime, mut link, mut machine) = link();
            let lengths: Vec<_> = lengths.into_iter().map(|length| length.min(FRAME_MAX)).collect();
            let mut bytes = Vec::new();
            for (number, length) in lengths.iter().enumerate() {
                bytes.extend(u32::try_from(*length).unwrap().to_be_bytes());
                bytes.resize(bytes.len() + length, u8::try_from(number).unwrap());
            }
            let writing = thread::spawn(move || {
                bytes.chunks(piece).try_for_each(|piece| machine.write_all(piece)).map(|()| machine)
            });
            let mut found = Vec::new();
            while found.len() < lengths.len() {
                runtime.block_on(poll_fn(|context| link.poll_fill(context, Instant::now()))).unwrap();
                while let Some(frame) = link.next_frame().unwrap() {
                    prop_assert!(frame.iter().all(|byte| usize::from(*byte) == found.len()));
                    found.push(frame.len());
                }
            }
            prop_assert_eq!(found, lengths);
            writing.join().unwrap().unwrap();
        }
    }
}
