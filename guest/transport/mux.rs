//! Yamux over the virtio-serial port, where there is no vsock (the qemu engine), and over the vsock connection of the dialer.
//!
//! Called by `transport` and `vsock`. The shim is yamux's client: each stream that it opens is a connection to the services or to a port
//! in the box, which its first byte tells. Over the port, the guest opens streams for its ready notification, its journal, and its
//! requests for the time.

use std::{convert::Infallible, future::poll_fn, io, path::Path, task::Poll, time::Duration};

use boxlite_wire::port::{DIAL, MUX_BODY, MUX_READ, MUX_WRITE, READY, STREAMS};
use futures::AsyncWriteExt as _;
use tokio::{
    io::{AsyncRead, AsyncReadExt as _, AsyncWrite, BufStream},
    time::sleep,
};
use tokio_util::compat::{Compat, FuturesAsyncReadCompatExt as _, TokioAsyncReadCompatExt as _};
use yamux::{Config, Connection, ConnectionError, DEFAULT_CREDIT, Mode};

use super::{port::Port, prefixed::Prefixed};
use crate::{
    Context as _, Result,
    services::Server,
    supervision::{StreamRequest, StreamRequests},
};

/// Time between a session that broke and the next one.
const AGAIN: Duration = Duration::from_millis(20);

/// Serves one session after another, since a shim that comes back starts over.
pub(super) async fn serve(server: Server, device: &Path, mut requests: StreamRequests) -> Result<Infallible> {
    loop {
        // The port is opened anew for each session: closing it makes the kernel discard what the last one left unread.
        let port = Port::open(device)?;
        port.connected().await.context(|| format!("await the host on {}", device.display()))?;
        if let Err(error) = session(&server, port, &mut requests).await {
            eprintln!("boxlite-guest: session on {}: {error}", device.display());
            // A host that keeps sending invalid data must not keep this machine busy.
            sleep(AGAIN).await;
        }
    }
}

/// A stream that was opened.
enum Opened {
    ByHost(yamux::Stream),
    ForRequest(StreamRequest, yamux::Stream),
}

async fn session(server: &Server, port: Port, requests: &mut StreamRequests) -> Result<(), ConnectionError> {
    let mut connection = carried(port);
    let ready = poll_fn(|cx| connection.poll_new_outbound(cx)).await?;
    tokio::spawn(announce(ready));
    let mut request = None;
    // Polling for streams is also what drives the session.
    let mut next = poll_fn(|cx| {
        match connection.poll_next_inbound(cx) {
            Poll::Ready(stream) => return Poll::Ready(stream.map(|stream| stream.map(Opened::ByHost))),
            Poll::Pending => {}
        }
        if request.is_none()
            && let Poll::Ready(next) = requests.poll_recv(cx)
        {
            request = next;
        }
        if request.is_none() {
            return Poll::Pending;
        }
        connection.poll_new_outbound(cx).map(|stream| {
            let request = request.take()?;
            Some(stream.map(|stream| Opened::ForRequest(request, stream)))
        })
    });
    while let Some(opened) = (&mut next).await.transpose()? {
        match opened {
            Opened::ByHost(stream) => {
                let server = server.clone();
                tokio::spawn(async move { serve_stream(&server, stream).await });
            }
            // Nobody may wait for it any more.
            Opened::ForRequest(request, stream) => drop(request.send(Box::new(stream.compat()))),
        }
    }
    Ok(())
}

/// Serves the streams of a connection that carries nothing but those that the host opens.
pub(super) async fn serve_inbound<S: AsyncRead + AsyncWrite + Unpin>(server: &Server, carrier: S) {
    let mut connection = carried(carrier);
    // A host that breaks the protocol gets no more streams, and may connect again.
    while let Some(Ok(stream)) = poll_fn(|cx| connection.poll_next_inbound(cx)).await {
        let server = server.clone();
        tokio::spawn(async move { serve_stream(&server, stream).await });
    }
}

/// A session on `carrier`, buffered: yamux reads and writes the header of a frame and its body one after the other.
fn carried<S: AsyncRead + AsyncWrite + Unpin>(carrier: S) -> Connection<Compat<BufStream<S>>> {
    let carrier = BufStream::with_capacity(MUX_READ, MUX_WRITE, carrier);
    Connection::new(carrier.compat(), config(), Mode::Server)
}

fn config() -> Config {
    let mut config = Config::default();
    config.set_max_num_streams(STREAMS);
    // As in the shim: each stream gets no more than its first window.
    config.set_max_connection_receive_window(Some(STREAMS * DEFAULT_CREDIT as usize));
    config.set_split_send_size(MUX_BODY);
    config
}

/// Serves a stream of the host. HTTP/2's preface begins with another byte than the dialer's first line.
async fn serve_stream(server: &Server, stream: yamux::Stream) {
    let mut stream = stream.compat();
    let Ok(first) = stream.read_u8().await else { return };
    let stream = Prefixed::new(first, stream);
    if DIAL.first() == Some(&first) { server.dial(stream).await } else { server.serve(stream).await }
}

async fn announce(mut stream: yamux::Stream) {
    let sent: io::Result<()> = async {
        stream.write_all(READY).await?;
        stream.close().await
    }
    .await;
    if let Err(error) = sent {
        eprintln!("boxlite-guest: notify the host that the box is ready: {error}");
    }
}
