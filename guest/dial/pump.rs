//! Copies between a stream of the host and a connection in the box, each direction to its own end.
//!
//! Called by `dial` once a connection stands.

use std::{io, time::Duration};

use parking_lot::Mutex;
use tokio::{
    io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _},
    net::TcpStream,
    time::{Instant, sleep_until},
};

/// The most that is moved at a time, in bytes.
const CHUNK: usize = 16 << 10;

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
    let mut chunk = vec![0; CHUNK];
    loop {
        let count = from.read(&mut chunk).await?;
        *moved.lock() = Instant::now();
        if count == 0 {
            return to.shutdown().await;
        }
        to.write_all(&chunk[..count]).await?;
        to.flush().await?;
        *moved.lock() = Instant::now();
    }
}
