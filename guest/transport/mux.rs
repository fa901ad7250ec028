//! gRPC over yamux over the virtio-serial port, where there is no vsock (the qemu engine).
//!
//! Called by `transport`. The shim is yamux's client: each stream that it opens is a connection to the services. The one
//! stream that the guest opens is its ready notification.

use std::{convert::Infallible, future::poll_fn, io, path::Path};

use boxlite_proto::port as meeting;
use futures::AsyncWriteExt as _;
use tokio_util::compat::{FuturesAsyncReadCompatExt as _, TokioAsyncReadCompatExt as _};
use yamux::{Config, Connection, ConnectionError, Mode};

use super::port::Port;
use crate::{Context as _, Result, services::Server};

/// Serves one session after another: a shim that comes back starts over.
pub(super) async fn serve(server: Server, device: &Path) -> Result<Infallible> {
    loop {
        // Opened anew for each session: closing it makes the kernel discard what the last one left unread.
        let port = Port::open(device)?;
        port.connected().await.context(|| format!("await the host on {}", device.display()))?;
        if let Err(error) = session(&server, port).await {
            eprintln!("boxlite-guest: session on {}: {error}", device.display());
        }
    }
}

async fn session(server: &Server, port: Port) -> Result<(), ConnectionError> {
    let mut connection = Connection::new(port.compat(), Config::default(), Mode::Server);
    let ready = poll_fn(|cx| connection.poll_new_outbound(cx)).await?;
    tokio::spawn(announce(ready));
    // Polling for streams is also what drives the session.
    while let Some(stream) = poll_fn(|cx| connection.poll_next_inbound(cx)).await.transpose()? {
        let server = server.clone();
        tokio::spawn(async move { server.serve(stream.compat()).await });
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
