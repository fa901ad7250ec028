//! Streams from the guest to the host, for the journal and for the clock: those two request them, and `transport` opens them.
//!
//! Created by `main.rs` (and by tests), which gives one end to each side.

use std::{io, time::Duration};

use tokio::{
    io::{AsyncRead, AsyncWrite},
    sync::{mpsc, oneshot},
    time::timeout,
};

/// How long the host may take to accept a stream. It does so at once or never.
const PATIENCE: Duration = Duration::from_secs(2);

/// A stream to the host.
pub trait HostStream: AsyncRead + AsyncWrite + Send + Unpin {}

impl<S: AsyncRead + AsyncWrite + Send + Unpin> HostStream for S {}

/// A request for a stream. It is dropped if the stream can't be opened.
pub struct StreamRequest {
    /// The vsock port on which the host accepts the stream. Over virtio-serial the first line distinguishes streams instead.
    pub port: u32,
    answer: oneshot::Sender<Box<dyn HostStream>>,
}

impl StreamRequest {
    /// Passes on the stream. Returns false if nobody waits for it any more.
    pub fn send(self, stream: Box<dyn HostStream>) -> bool {
        self.answer.send(stream).is_ok()
    }
}

/// The transport's end.
pub type StreamRequests = mpsc::Receiver<StreamRequest>;

/// The requesting end. Clones share it.
#[derive(Debug, Clone)]
pub struct HostStreams(mpsc::Sender<StreamRequest>);

impl HostStreams {
    /// Creates both ends.
    pub fn new() -> (Self, StreamRequests) {
        let (sender, requests) = mpsc::channel(1);
        (Self(sender), requests)
    }

    /// Opens a stream to the host's `port`.
    pub(crate) async fn open(&self, port: u32) -> io::Result<Box<dyn HostStream>> {
        let (answer, stream) = oneshot::channel();
        let opened = timeout(PATIENCE, async {
            self.0.send(StreamRequest { port, answer }).await.ok()?;
            stream.await.ok()
        });
        match opened.await {
            Ok(Some(stream)) => Ok(stream),
            Ok(None) => Err(io::ErrorKind::ConnectionRefused.into()),
            Err(_) => Err(io::ErrorKind::TimedOut.into()),
        }
    }
}
