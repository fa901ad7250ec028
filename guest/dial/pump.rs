//! Copies between a stream of the host and a connection in the box, each direction to its own end.
//!
//! Called by `dial` once a connection stands.

use std::{
    cell::RefCell,
    future::poll_fn,
    io,
    pin::Pin,
    task::{Poll, ready},
    time::Duration,
};

use boxlite_wire::port::MUX_BODY;
use parking_lot::Mutex;
use tokio::{
    io::{AsyncRead, AsyncWrite, AsyncWriteExt as _, ReadBuf},
    net::TcpStream,
    time::{Instant, sleep_until},
};

/// The most that is moved at a time, in bytes: what the kernel's loopback carries in one segment, in whole frames of yamux.
const CHUNK: usize = 4 * MUX_BODY;

thread_local! {
    /// Bytes on their way from one side to the other. All connections share it, so that one that waits needs no memory.
    static SHARED: RefCell<Box<[u8]>> = RefCell::new(vec![0; CHUNK].into());
}

/// How long a connection of which one direction has ended may be silent. A side that has gone without a word would otherwise hold it
/// for ever.
const HALF_CLOSED: Duration = Duration::from_mins(10);

/// Copies until both directions have ended, or one has failed.
pub(super) async fn join(host: impl AsyncRead + AsyncWrite + Unpin, port: TcpStream) -> io::Result<()> {
    let (host_reader, host_writer) = tokio::io::split(host);
    let (port_reader, port_writer) = port.into_split();
    let moved = Mutex::new(Instant::now());
    let inwards = copy(host_reader, port_writer, &moved);
    let outwards = copy(port_reader, host_writer, &moved);
    tokio::pin!(inwards, outwards);
    tokio::select! {
        ended = &mut inwards => {
            ended?;
            finish(outwards, &moved).await
        }
        ended = &mut outwards => {
            ended?;
            finish(inwards, &moved).await
        }
    }
}

/// Waits for the other direction's end.
async fn finish(
    other: impl Future<Output = io::Result<()>> + Unpin,
    moved: &Mutex<Instant>,
) -> io::Result<()> {
    let silence = async {
        while moved.lock().elapsed() < HALF_CLOSED {
            let end = *moved.lock() + HALF_CLOSED;
            sleep_until(end).await;
        }
    };
    tokio::select! {
        ended = other => ended,
        () = silence => Err(io::ErrorKind::TimedOut.into()),
    }
}

/// Copies one direction and passes on its end.
async fn copy(
    mut from: impl AsyncRead + Unpin,
    mut to: impl AsyncWrite + Unpin,
    moved: &Mutex<Instant>,
) -> io::Result<()> {
    loop {
        // What is not taken at once waits in memory of its own.
        let next = poll_fn(|cx| {
            SHARED.with_borrow_mut(|shared| {
                let mut chunk = ReadBuf::new(shared);
                ready!(Pin::new(&mut from).poll_read(cx, &mut chunk))?;
                let mut rest = chunk.filled();
                if rest.is_empty() {
                    return Poll::Ready(Ok::<_, io::Error>(None));
                }
                while !rest.is_empty()
                    && let Poll::Ready(written) = Pin::new(&mut to).poll_write(cx, rest)
                {
                    let written = written?;
                    if written == 0 {
                        return Poll::Ready(Err(io::ErrorKind::WriteZero.into()));
                    }
                    rest = &rest[written..];
                }
                Poll::Ready(Ok(Some(rest.to_vec())))
            })
        });
        let rest = next.await?;
        *moved.lock() = Instant::now();
        let Some(rest) = rest else { return to.shutdown().await };
        to.write_all(&rest).await?;
        to.flush().await?;
        *moved.lock() = Instant::now();
    }
}
