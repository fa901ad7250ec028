//! Relays many connections over one byte stream. Host programs connect to a socket, and each connection becomes a yamux stream to the
//! guest, whose first bytes tell what it is for: the gRPC server or the dialer. A stream that the guest opens is its ready
//! notification, its journal or its clock; the first bytes identify it, and it becomes a connection to the corresponding socket.
//! Called by QEMU's `engine`, for everything over the serial port, and by libkrun's `dial`, for the dialer's connections over vsock.
//!
//! Memory is bounded: a stream buffers at most its window of 256 KiB each way, and the number of streams is limited. A stream that is
//! not read stops at its window and does not block the others.

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
    io::{
        AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _, BufStream, ReadBuf,
        copy_bidirectional_with_sizes,
    },
    net::{UnixListener, UnixStream},
    task::JoinSet,
    time::{Sleep, sleep},
};
use tokio_util::compat::{Compat, FuturesAsyncReadCompatExt, TokioAsyncReadCompatExt};
use yamux::{Config, Connection, ConnectionError, DEFAULT_CREDIT, Mode, Stream};

use boxlite_wire::{
    dial::DIALS,
    port::{CLOCK, JOURNAL, MUX_BODY, MUX_READ, MUX_WRITE, STREAMS},
};

/// Most connections to the portal at one time. Further ones wait to be accepted.
pub(crate) const PORTAL_MAX: usize = 64;

/// Most connections to ports of the box at one time. Further ones wait to be accepted.
pub(crate) const DIAL_MAX: usize = DIALS;

/// Most streams of the guest at one time: a ready notification, a journal, the clock and a spare one. Further ones are reset.
const GUEST_STREAMS_MAX: usize = 4;

/// At this number of streams, yamux fails the whole connection. The limits above keep the number below it; closed streams are
/// counted until the next poll.
const STREAMS_MAX: usize = STREAMS;

/// The most that one direction of one connection moves at a time, in bytes.
const CHUNK: usize = MUX_BODY;

/// How long to wait after `accept` failed, which means that descriptors are exhausted.
const BACK_OFF: Duration = Duration::from_millis(100);

/// The sockets to which streams of the guest are connected.
#[derive(Debug, Clone)]
pub(crate) struct GuestSockets {
    pub(crate) ready: PathBuf,
    /// `None` if this guest has no journal.
    pub(crate) journal: Option<PathBuf>,
    /// `None` if this guest gets no clock.
    pub(crate) clock: Option<PathBuf>,
}

/// Relays the connections of `inbound` until `carrier` ends or breaks, and returns why. Streams that the guest opens are reset if there
/// are no `sockets` for them.
pub(crate) async fn run<S>(
    carrier: S,
    inbound: &mut [Inbound],
    sockets: Option<GuestSockets>,
) -> ConnectionError
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    // Yamux reads and writes the header of a frame and its body one after the other.
    let carrier = BufStream::with_capacity(MUX_READ, MUX_WRITE, carrier);
    let mut relay = Relay {
        mux: Connection::new(carrier.compat(), config(), Mode::Client),
        inbound,
        sockets: sockets.map(Arc::new),
        guest_streams: JoinSet::new(),
    };
    poll_fn(|cx| relay.poll(cx)).await
}

fn config() -> Config {
    let mut config = Config::default();
    config.set_max_num_streams(STREAMS_MAX);
    // Each stream gets no more than its first window: the port's round trip is short, so larger windows would only cost memory.
    config.set_max_connection_receive_window(Some(STREAMS_MAX * DEFAULT_CREDIT as usize));
    config.set_split_send_size(MUX_BODY);
    config
}

/// The connections of one socket of the host.
pub(crate) struct Inbound {
    listener: UnixListener,
    most: usize,
    /// An accepted connection that has no stream yet.
    waiting: Option<UnixStream>,
    back_off: Option<Pin<Box<Sleep>>>,
    connections: JoinSet<io::Result<()>>,
}

impl Inbound {
    /// Connections to `listener`, of which at most `most` exist at one time.
    pub(crate) fn new(listener: UnixListener, most: usize) -> Self {
        Self { listener, most, waiting: None, back_off: None, connections: JoinSet::new() }
    }

    /// Waits until a connection waits for a stream.
    pub(crate) async fn accepted(&mut self) {
        poll_fn(|cx| self.poll_waiting(cx)).await;
    }

    /// Closes the connection that waits for a stream.
    pub(crate) fn refuse(&mut self) {
        self.waiting = None;
    }

    fn poll_waiting(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        while let Poll::Ready(Some(_)) = self.connections.poll_join_next(cx) {}
        if self.waiting.is_none() {
            self.waiting = Some(ready!(self.poll_accept(cx)));
        }
        Poll::Ready(())
    }

    fn poll_accept(&mut self, cx: &mut Context<'_>) -> Poll<UnixStream> {
        if self.connections.len() >= self.most {
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

    /// Gives the stream to the connection that waits.
    fn connect(&mut self, stream: Stream) {
        if let Some(host) = self.waiting.take() {
            self.connections.spawn(join(host, stream.compat()));
        }
    }
}

struct Relay<'a, S> {
    mux: Connection<Compat<BufStream<S>>>,
    inbound: &'a mut [Inbound],
    sockets: Option<Arc<GuestSockets>>,
    guest_streams: JoinSet<io::Result<()>>,
}

impl<S: AsyncRead + AsyncWrite + Unpin> Relay<'_, S> {
    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<ConnectionError> {
        loop {
            while let Poll::Ready(Some(_)) = self.guest_streams.poll_join_next(cx) {}
            match self.mux.poll_next_inbound(cx) {
                Poll::Ready(Some(Ok(stream))) => self.accept_guest_stream(stream),
                Poll::Ready(Some(Err(error))) => return Poll::Ready(error),
                Poll::Ready(None) => return Poll::Ready(ConnectionError::Closed),
                Poll::Pending => {
                    if let Err(error) = ready!(self.poll_connect(cx)) {
                        return Poll::Ready(error);
                    }
                }
            }
        }
    }

    /// Accepts at most one connection of each socket and gives it a stream. Ready if there was one.
    fn poll_connect(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), ConnectionError>> {
        let mut connected = Poll::Pending;
        for inbound in &mut *self.inbound {
            if inbound.poll_waiting(cx).is_ready() {
                inbound.connect(ready!(self.mux.poll_new_outbound(cx))?);
                connected = Poll::Ready(Ok(()));
            }
        }
        connected
    }

    /// Connects a stream of the guest. Drops it if there are too many or nothing to connect it to, which resets it.
    fn accept_guest_stream(&mut self, stream: Stream) {
        if let Some(sockets) = &self.sockets
            && self.guest_streams.len() < GUEST_STREAMS_MAX
        {
            self.guest_streams.spawn(connect(stream, Arc::clone(sockets)));
        }
    }
}

/// Connects a stream of the guest with the socket that its first bytes name. A stream without a known first line is a ready
/// notification.
async fn connect(stream: Stream, sockets: Arc<GuestSockets>) -> io::Result<()> {
    let mut stream = stream.compat();
    let known = [(JOURNAL, &sockets.journal), (CLOCK, &sockets.clock)];
    let mut greeting = Vec::with_capacity(JOURNAL.len());
    // Reads on while the bytes are the start of a known first line.
    while known.iter().any(|(line, _)| line.len() > greeting.len() && line.starts_with(&greeting)) {
        let mut byte = [0];
        if stream.read(&mut byte).await? == 0 {
            break;
        }
        greeting.extend(byte);
    }
    let socket = match known.into_iter().find(|(line, _)| *line == greeting) {
        Some((_, socket)) => socket.as_ref(),
        None => Some(&sockets.ready),
    };
    let Some(socket) = socket else { return Ok(()) };
    let mut host = UnixStream::connect(socket).await?;
    host.write_all(&greeting).await?;
    join(host, stream).await
}

/// Copies in both directions. The end of one direction is passed on while the other continues; what breaks ends both at once.
async fn join(mut host: UnixStream, guest: Compat<Stream>) -> io::Result<()> {
    let mut guest = GuestEnd { stream: guest, ended: false };
    copy_bidirectional_with_sizes(&mut host, &mut guest, CHUNK, CHUNK).await?;
    Ok(())
}

/// The guest's end of a connection. Yamux reports a stream that the guest has reset, and one whose carrier is gone, as if the guest had
/// ended its direction; here both are errors, so that the host's side can tell a machine that dies from a service that has said all.
struct GuestEnd {
    stream: Compat<Stream>,
    /// Whether the host has ended its direction.
    ended: bool,
}

impl AsyncRead for GuestEnd {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buffer.filled().len();
        ready!(Pin::new(&mut self.stream).poll_read(cx, buffer))?;
        let over = buffer.filled().len() == before;
        if over && !self.ended && self.stream.get_ref().is_closed() {
            return Poll::Ready(Err(io::ErrorKind::ConnectionReset.into()));
        }
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for GuestEnd {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(cx, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.ended = true;
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}

#[cfg(test)]
#[path = "relay_tests.rs"]
mod tests;
