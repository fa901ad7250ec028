//! Many connections over one serial port. Host programs connect to the portal's socket; each connection becomes a
//! yamux stream to the guest's gRPC server. A stream that the guest opens is its ready notification, its journal or its questions
//! for the time, told apart by the first bytes, and becomes a connection to the socket of the one or the other. Called by `engine`.
//!
//! Memory is bounded: a stream holds at most its window of 256 KiB each way, and the number of streams is limited. A
//! stream that nobody reads stops at its window and the others go on.

use std::{
    future::{Future as _, poll_fn},
    io,
    path::PathBuf,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
    time::Duration,
};

use tokio::{
    io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _, copy_bidirectional_with_sizes},
    net::{UnixListener, UnixStream},
    task::JoinSet,
    time::{Sleep, sleep},
};
use tokio_util::compat::{Compat, FuturesAsyncReadCompatExt, TokioAsyncReadCompatExt};
use yamux::{Config, Connection, ConnectionError, DEFAULT_CREDIT, Mode, Stream};

use boxlite_wire::port::{CLOCK, JOURNAL};

/// Connections to the portal at one time; more wait to be accepted.
const CONNECTIONS_MAX: usize = 64;

/// Streams of the guest at one time: a ready notification, a journal, the clock, and room; one that opens more is cut off.
const GUEST_STREAMS_MAX: usize = 4;

/// yamux ends everything at this number of streams, so it is never reached by keeping the two limits above: closed
/// streams linger in its books for one turn.
const STREAMS_MAX: usize = 4 * CONNECTIONS_MAX;

/// What one direction of one connection moves at a time, in bytes; yamux's frames are as large.
const CHUNK: usize = 16 << 10;

/// How long to accept nothing after accepting failed, which means that descriptors are short.
const BACK_OFF: Duration = Duration::from_millis(100);

/// The sockets at which streams of the guest end.
#[derive(Debug, Clone)]
pub(super) struct Ears {
    pub(super) ready: PathBuf,
    /// `None`: this guest keeps no journal.
    pub(super) journal: Option<PathBuf>,
    /// `None`: this guest is told no time.
    pub(super) clock: Option<PathBuf>,
}

/// Relays until the serial port ends or breaks, and says how.
pub(super) async fn run<S>(serial: S, listener: UnixListener, ears: Ears) -> ConnectionError
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    let mut relay = Relay {
        mux: Connection::new(serial.compat(), config(), Mode::Client),
        listener,
        ears: Arc::new(ears),
        waiting: None,
        back_off: None,
        connections: JoinSet::new(),
        guest_streams: JoinSet::new(),
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
    ears: Arc<Ears>,
    /// Accepted, but without a stream yet.
    waiting: Option<UnixStream>,
    back_off: Option<Pin<Box<Sleep>>>,
    connections: JoinSet<io::Result<()>>,
    guest_streams: JoinSet<io::Result<()>>,
}

impl<S: AsyncRead + AsyncWrite + Unpin> Relay<S> {
    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<ConnectionError> {
        loop {
            while let Poll::Ready(Some(_)) = self.connections.poll_join_next(cx) {}
            while let Poll::Ready(Some(_)) = self.guest_streams.poll_join_next(cx) {}
            match self.mux.poll_next_inbound(cx) {
                Poll::Ready(Some(Ok(stream))) => self.hear(stream),
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
                    self.connections.spawn(join(host, stream.compat()));
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

    /// Carries a stream of the guest, unless there are too many: dropping it resets it.
    fn hear(&mut self, stream: Stream) {
        if self.guest_streams.len() < GUEST_STREAMS_MAX {
            self.guest_streams.spawn(carry(stream, Arc::clone(&self.ears)));
        }
    }
}

/// Joins a stream of the guest with the socket that its first bytes mean.
async fn carry(stream: Stream, ears: Arc<Ears>) -> io::Result<()> {
    let mut stream = stream.compat();
    let known = [(JOURNAL, &ears.journal), (CLOCK, &ears.clock)];
    let mut greeting = Vec::with_capacity(JOURNAL.len());
    // For as long as it may become one of them.
    while known.iter().any(|(word, _)| word.len() > greeting.len() && word.starts_with(&greeting)) {
        let mut byte = [0];
        if stream.read(&mut byte).await? == 0 {
            break;
        }
        greeting.extend(byte);
    }
    let ear = match known.into_iter().find(|(word, _)| *word == greeting) {
        Some((_, ear)) => ear.as_ref(),
        None => Some(&ears.ready),
    };
    let Some(ear) = ear else { return Ok(()) };
    let mut host = UnixStream::connect(ear).await?;
    host.write_all(&greeting).await?;
    join(host, stream).await
}

/// Copies both ways; the end of one way is passed on while the other goes on.
async fn join(mut host: UnixStream, mut guest: Compat<Stream>) -> io::Result<()> {
    copy_bidirectional_with_sizes(&mut host, &mut guest, CHUNK, CHUNK).await?;
    Ok(())
}

#[cfg(test)]
#[path = "relay_tests.rs"]
mod tests;
