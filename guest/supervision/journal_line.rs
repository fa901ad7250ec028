//! The line on which a stream to the host for the journal is asked for: this room asks, `transport` opens.
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
pub trait JournalStream: AsyncRead + AsyncWrite + Send + Unpin {}

impl<S: AsyncRead + AsyncWrite + Send + Unpin> JournalStream for S {}

/// Where the stream is to be sent; one that can't be had is told by dropping this.
pub type JournalAsk = oneshot::Sender<Box<dyn JournalStream>>;

/// What the transport listens to.
pub type JournalAsks = mpsc::Receiver<JournalAsk>;

/// This room's end.
#[derive(Clone)]
pub struct JournalLine(mpsc::Sender<JournalAsk>);

impl fmt::Debug for JournalLine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("JournalLine").finish_non_exhaustive()
    }
}

impl JournalLine {
    /// Both ends.
    pub fn new() -> (Self, JournalAsks) {
        let (line, asks) = mpsc::channel(1);
        (Self(line), asks)
    }

    /// Asks for a stream.
    pub(super) async fn open(&self) -> io::Result<Box<dyn JournalStream>> {
        let (ask, answer) = oneshot::channel();
        let opened = timeout(PATIENCE, async {
            self.0.send(ask).await.ok()?;
            answer.await.ok()
        });
        match opened.await {
            Ok(Some(stream)) => Ok(stream),
            Ok(None) => Err(io::ErrorKind::ConnectionRefused.into()),
            Err(_) => Err(io::ErrorKind::TimedOut.into()),
        }
    }
}
