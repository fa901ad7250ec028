//! The other end of a box's connection: a socket of the host, or a pipe to a task of the gateway that serves it (the name server, an
//! interceptor). Used by `connection.rs`.

use std::{
    io,
    pin::Pin,
    task::{Context, Poll},
};

use tokio::{
    io::{AsyncRead, AsyncWrite, DuplexStream, ReadBuf},
    net::TcpStream,
};

/// The other end.
#[derive(Debug)]
pub(super) enum Upstream {
    /// A socket of the host.
    Socket(TcpStream),
    /// A task of the gateway.
    Task(DuplexStream),
}

trait Stream: AsyncRead + AsyncWrite + Unpin {}
impl<T: AsyncRead + AsyncWrite + Unpin> Stream for T {}

impl Upstream {
    fn stream(&mut self) -> Pin<&mut dyn Stream> {
        match self {
            Self::Socket(socket) => Pin::new(socket),
            Self::Task(task) => Pin::new(task),
        }
    }

    /// Reads into `buffer`. Ready with 0 at the end.
    pub(super) fn poll_read(
        &mut self,
        context: &mut Context<'_>,
        buffer: &mut [u8],
    ) -> Poll<io::Result<usize>> {
        let mut buffer = ReadBuf::new(buffer);
        self.stream().poll_read(context, &mut buffer).map_ok(|()| buffer.filled().len())
    }

    /// Writes.
    pub(super) fn poll_write(&mut self, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        self.stream().poll_write(context, bytes)
    }

    /// Ends the direction to the other end; the other direction goes on.
    pub(super) fn poll_shutdown(&mut self, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.stream().poll_shutdown(context)
    }

    /// Ends both directions with a reset.
    pub(super) fn reset(self) {
        if let Self::Socket(socket) = self {
            let _ = socket.set_zero_linger();
        }
    }
}
