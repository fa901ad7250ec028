//! Many connections over one serial port. Host programs connect to the portal's socket; each connection becomes a
//! yamux stream to the guest's gRPC server. A stream that the guest opens is its ready notification and becomes a
//! connection to the ready socket. Called by `engine`.
//!
//! Memory is bounded: a stream holds at most its window of 256 KiB each way, and the number of streams is limited. A
//! stream that nobody reads stops at its window and the others go on.

use std::{
    future::{Future as _, poll_fn},
    io,
    path::{Path, PathBuf},
    pin::Pin,
    task::{Context, Poll, ready},
    time::Duration,
};

use tokio::{
    io::{AsyncRead, AsyncWrite, copy_bidirectional_with_sizes},
    net::{UnixListener, UnixStream},
    task::JoinSet,
    time::{Sleep, sleep},
};
use tokio_util::compat::{Compat, FuturesAsyncReadCompatExt, TokioAsyncReadCompatExt};
use yamux::{Config, Connection, ConnectionError, DEFAULT_CREDIT, Mode, Stream};

/// Connections to the portal at one time; more wait to be accepted.
const CONNECTIONS_MAX: usize = 64;

/// Ready notifications at one time; a guest that opens more is cut off.
const NOTIFICATIONS_MAX: usize = 4;

/// yamux ends everything at this number of streams, so it is never reached by keeping the two limits above: closed
/// streams linger in its books for one turn.
const STREAMS_MAX: usize = 4 * CONNECTIONS_MAX;

/// What one direction of one connection moves at a time, in bytes; yamux's frames are as large.
const CHUNK: usize = 16 << 10;

/// How long to accept nothing after accepting failed, which means that descriptors are short.
const BACK_OFF: Duration = Duration::from_millis(100);

/// Relays until the serial port ends or breaks, and says how.
pub(super) async fn run<S>(serial: S, listener: UnixListener, ready: &Path) -> ConnectionError
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    let mut relay = Relay {
        mux: Connection::new(serial.compat(), config(), Mode::Client),
        listener,
        ready: ready.into(),
        waiting: None,
        back_off: None,
        connections: JoinSet::new(),
        notifications: JoinSet::new(),
    };
    poll_fn(|cx| relay.poll(cx)).await
}

fn config() -> Config {
    let mut config = Config::default();
    config.set_max_num_streams(STREAMS_MAX);
    // No more than each stream's first window: the port's round trip is short, larger ones only cost memory.
    config.set_max_connection_receive_window(Some(STREAMS_MAX * DEFAULT_CREDIT as usize));
    config.set_split_send_size(CHUNK);
    config
}

struct Relay<S> {
    mux: Connection<Compat<S>>,
    listener: UnixListener,
    ready: PathBuf,
    /// Accepted, but without a stream yet.
    waiting: Option<UnixStream>,
    back_off: Option<Pin<Box<Sleep>>>,
    connections: JoinSet<io::Result<()>>,
    notifications: JoinSet<io::Result<()>>,
}

impl<S: AsyncRead + AsyncWrite + Unpin> Relay<S> {
    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<ConnectionError> {
        loop {
            while let Poll::Ready(Some(_)) = self.connections.poll_join_next(cx) {}
            while let Poll::Ready(Some(_)) = self.notifications.poll_join_next(cx) {}
            match self.mux.poll_next_inbound(cx) {
                Poll::Ready(Some(Ok(stream))) => self.notify(stream),
                Poll::Ready(Some(Err(error))) => return Poll::Ready(error),
                Poll::Ready(None) => return Poll::Ready(ConnectionError::Closed),
                Poll::Pending => match self.poll_connect(cx) {
                    Poll::Ready(Ok(())) => {}
                    Poll::Ready(Err(error)) => return Poll::Ready(error),
                    Poll::Pending => return Poll::Pending,
                },
            }
        }
    }

    /// Accepts one connection and gives it a stream.
    fn poll_connect(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), ConnectionError>> {
        if self.waiting.is_none() {
            self.waiting = Some(ready!(self.poll_accept(cx)));
        }
        match self.mux.poll_new_outbound(cx) {
            Poll::Ready(Ok(stream)) => {
                if let Some(host) = self.waiting.take() {
                    self.connections.spawn(join(host, stream));
                }
                Poll::Ready(Ok(()))
            }
            Poll::Ready(Err(error)) => Poll::Ready(Err(error)),
            Poll::Pending => Poll::Pending,
        }
    }

    fn poll_accept(&mut self, cx: &mut Context<'_>) -> Poll<UnixStream> {
        if self.connections.len() >= CONNECTIONS_MAX {
            return Poll::Pending;
        }
        loop {
            if let Some(back_off) = &mut self.back_off {
                ready!(back_off.as_mut().poll(cx));
                self.back_off = None;
            }
            match ready!(self.listener.poll_accept(cx)) {
                Ok((host, _)) => return Poll::Ready(host),
                Err(_) => self.back_off = Some(Box::pin(sleep(BACK_OFF))),
            }
        }
    }

    /// Carries a ready notification, unless there are too many: dropping a stream resets it.
    fn notify(&mut self, stream: Stream) {
        if self.notifications.len() < NOTIFICATIONS_MAX {
            let ready = self.ready.clone();
            self.notifications.spawn(async move { join(UnixStream::connect(ready).await?, stream).await });
        }
    }
}

/// Copies both ways; the end of one way is passed on while the other goes on.
async fn join(mut host: UnixStream, guest: Stream) -> io::Result<()> {
    copy_bidirectional_with_sizes(&mut host, &mut guest.compat(), CHUNK, CHUNK).await?;
    Ok(())
}

#[cfg(test)]
#[path = "relay_tests.rs"]
mod tests;
