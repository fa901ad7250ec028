//! The virtio-serial port that stands in for vsock: found by name, read and written as one byte stream.
//!
//! Called by `transport` and `mux`. The semantics are those of `drivers/char/virtio_console.c`: while the host's end is closed,
//! poll reports POLLHUP, reads return 0 and writes fail with EPIPE.

use std::{
    fs, io,
    os::fd::{AsFd as _, OwnedFd},
    path::{Path, PathBuf},
    pin::Pin,
    task::{Context, Poll, ready},
};

use boxlite_wire::port::SERIAL_NAME;
use nix::{
    fcntl::{OFlag, open},
    poll::{PollFd, PollFlags, PollTimeout, poll},
    sys::{
        epoll::{Epoll, EpollCreateFlags, EpollEvent, EpollFlags, EpollTimeout},
        stat::Mode,
    },
    unistd::{read, write},
};
use tokio::io::{AsyncRead, AsyncWrite, Interest, ReadBuf, unix::AsyncFd};

use crate::{Context as _, Result, reactor};

/// Where the kernel lists the ports, each as a directory with the name of its device.
const CLASS: &str = "/sys/class/virtio-ports";

/// The device of the port named [`SERIAL_NAME`], if this machine has one.
pub(super) fn find() -> Result<Option<PathBuf>> {
    let ports = match fs::read_dir(CLASS) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        ports => ports.context(|| format!("list {CLASS}"))?,
    };
    for port in ports.flatten() {
        let name = fs::read_to_string(port.path().join("name")).unwrap_or_default();
        if name.trim_end() == SERIAL_NAME {
            return Ok(Some(Path::new("/dev").join(port.file_name())));
        }
    }
    Ok(None)
}

/// The open port.
#[derive(Debug)]
pub(super) struct Port(AsyncFd<OwnedFd>);

impl Port {
    pub(super) fn open(device: &Path) -> Result<Self> {
        let flags = OFlag::O_RDWR | OFlag::O_NONBLOCK | OFlag::O_CLOEXEC;
        let fd = open(device, flags, Mode::empty()).context(|| format!("open {}", device.display()))?;
        let fd = reactor::watch(fd, Interest::READABLE | Interest::WRITABLE)
            .context(|| format!("watch {}", device.display()))?;
        Ok(Self(fd))
    }

    /// Waits until the host's end is open.
    ///
    /// It waits through an epoll of its own, since tokio takes a descriptor that has once reported POLLHUP for closed for ever.
    pub(super) async fn connected(&self) -> io::Result<()> {
        let changes = Epoll::new(EpollCreateFlags::EPOLL_CLOEXEC)?;
        changes.add(self.0.get_ref(), EpollEvent::new(EpollFlags::EPOLLOUT | EpollFlags::EPOLLET, 0))?;
        let wake = reactor::watch(changes.0.try_clone()?, Interest::READABLE)?;
        while self.is_hung_up()? {
            wake.readable().await?.clear_ready();
            changes.wait(&mut [EpollEvent::empty()], EpollTimeout::ZERO)?;
        }
        Ok(())
    }

    fn is_hung_up(&self) -> io::Result<bool> {
        let mut fds = [PollFd::new(self.0.get_ref().as_fd(), PollFlags::POLLOUT)];
        poll(&mut fds, PollTimeout::ZERO)?;
        Ok(fds.iter().any(|fd| fd.revents().is_some_and(|state| state.contains(PollFlags::POLLHUP))))
    }
}

// Once the host has hung up, tokio reports readiness for ever, so "would block" is then the end of the stream and not a wait.

impl AsyncRead for Port {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        loop {
            let mut guard = ready!(self.0.poll_read_ready(cx))?;
            let room = buffer.initialize_unfilled();
            if let Ok(done) = guard.try_io(|fd| read(fd.get_ref(), room).map_err(Into::into)) {
                buffer.advance(done?);
                return Poll::Ready(Ok(()));
            }
            if guard.ready().is_read_closed() {
                return Poll::Ready(Ok(()));
            }
        }
    }
}

impl AsyncWrite for Port {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, data: &[u8]) -> Poll<io::Result<usize>> {
        loop {
            let mut guard = ready!(self.0.poll_write_ready(cx))?;
            if let Ok(written) = guard.try_io(|fd| write(fd.get_ref(), data).map_err(Into::into)) {
                return Poll::Ready(written);
            }
            if guard.ready().is_write_closed() {
                return Poll::Ready(Err(io::ErrorKind::BrokenPipe.into()));
            }
        }
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}
