//! gRPC over yamux over the virtio-serial port, where there is no vsock (the qemu engine).
//!
//! Called by `transport`. The shim is yamux's client: each stream that it opens is a connection to the services. What the
//! guest opens is its ready notification, its journal, and its questions for the time.

use std::{convert::Infallible, future::poll_fn, io, path::Path, task::Poll, time::Duration};

use boxlite_wire::port as meeting;
use futures::AsyncWriteExt as _;
use tokio::time::sleep;
use tokio_util::compat::{FuturesAsyncReadCompatExt as _, TokioAsyncReadCompatExt as _};
use yamux::{Config, Connection, ConnectionError, Mode};

use super::port::Port;
use crate::{
    Context as _, Result,
    services::Server,
    supervision::{HostAsk, HostAsks},
};

/// Between a session that broke and the next.
const AGAIN: Duration = Duration::from_millis(20);

/// Serves one session after another: a shim that comes back starts over.
pub(super) async fn serve(server: Server, device: &Path, mut asks: HostAsks) -> Result<Infallible> {
    loop {
        // Opened anew for each session: closing it makes the kernel discard what the last one left unread.
        let port = Port::open(device)?;
        port.connected().await.context(|| format!("await the host on {}", device.display()))?;
        if let Err(error) = session(&server, port, &mut asks).await {
            eprintln!("boxlite-guest: session on {}: {error}", device.display());
            // A host that goes on saying nonsense is not to keep this machine busy.
            sleep(AGAIN).await;
        }
    }
}

/// A stream that came to be.
enum Opened {
    ByHost(yamux::Stream),
    ForAsk(HostAsk, yamux::Stream),
}

async fn session(server: &Server, port: Port, asks: &mut HostAsks) -> Result<(), ConnectionError> {
    let mut connection = Connection::new(port.compat(), Config::default(), Mode::Server);
    let ready = poll_fn(|cx| connection.poll_new_outbound(cx)).await?;
    tokio::spawn(announce(ready));
    let mut asked = None;
    // Polling for streams is also what drives the session.
    let mut next = poll_fn(|cx| {
        match connection.poll_next_inbound(cx) {
            Poll::Ready(stream) => return Poll::Ready(stream.map(|stream| stream.map(Opened::ByHost))),
            Poll::Pending => {}
        }
        if asked.is_none()
            && let Poll::Ready(ask) = asks.poll_recv(cx)
        {
            asked = ask;
        }
        if asked.is_none() {
            return Poll::Pending;
        }
        connection.poll_new_outbound(cx).map(|stream| {
            let ask = asked.take()?;
            Some(stream.map(|stream| Opened::ForAsk(ask, stream)))
        })
    });
    while let Some(opened) = (&mut next).await.transpose()? {
        match opened {
            Opened::ByHost(stream) => {
                let server = server.clone();
                tokio::spawn(async move { server.serve(stream.compat()).await });
            }
            // Who asked may have given up.
            Opened::ForAsk(ask, stream) => drop(ask.send(Box::new(stream.compat()))),
        }
    }
    Ok(())
}

async fn announce(mut stream: yamux::Stream) {
    let said: io::Result<()> = async {
        stream.write_all(meeting::READY).await?;
        stream.close().await
    }
    .await;
    if let Err(error) = said {
        eprintln!("boxlite-guest: tell the host that the box is ready: {error}");
    }
}
