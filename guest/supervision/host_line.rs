//! The line on which a stream to the host is asked for, for the journal or for the clock: they ask, `transport` opens.
//!
//! Made by `main.rs` (and by tests), which gives one end to each.

use std::{fmt, io, time::Duration};

use tokio::{
    io::{AsyncRead, AsyncWrite},
    sync::{mpsc, oneshot},
    time::timeout,
};

/// How long the host may take to give a stream: it is there, or it will never be.
const PATIENCE: Duration = Duration::from_secs(2);

/// A stream to the host.
pub trait HostStream: AsyncRead + AsyncWrite + Send + Unpin {}

impl<S: AsyncRead + AsyncWrite + Send + Unpin> HostStream for S {}

/// A wish for a stream; one that can't be had is told by dropping this.
pub struct HostAsk {
    /// Where the host listens for it, where that is told by a port (vsock); else by what is written first.
    pub port: u32,
    answer: oneshot::Sender<Box<dyn HostStream>>,
}

impl HostAsk {
    /// Gives the stream; false: who asked has given up.
    pub fn send(self, stream: Box<dyn HostStream>) -> bool {
        self.answer.send(stream).is_ok()
    }
}

/// What the transport listens to.
pub type HostAsks = mpsc::Receiver<HostAsk>;

/// This end.
#[derive(Clone)]
pub struct HostLine(mpsc::Sender<HostAsk>);

impl fmt::Debug for HostLine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("HostLine").finish_non_exhaustive()
    }
}

impl HostLine {
    /// Both ends.
    pub fn new() -> (Self, HostAsks) {
        let (line, asks) = mpsc::channel(1);
        (Self(line), asks)
    }

    /// Asks for a stream to what the host has at `port`.
    pub(crate) async fn open(&self, port: u32) -> io::Result<Box<dyn HostStream>> {
        let (answer, stream) = oneshot::channel();
        let opened = timeout(PATIENCE, async {
            self.0.send(HostAsk { port, answer }).await.ok()?;
            stream.await.ok()
        });
        match opened.await {
            Ok(Some(stream)) => Ok(stream),
            Ok(None) => Err(io::ErrorKind::ConnectionRefused.into()),
            Err(_) => Err(io::ErrorKind::TimedOut.into()),
        }
    }
}
