//! gRPC over vsock, as libkrun provides it, and the dialer's yamux.
//!
//! Called by `transport`.

use std::{convert::Infallible, time::Duration};

use boxlite_wire::port;
use tokio::{io::AsyncWriteExt as _, time::sleep};
use tokio_vsock::{VMADDR_CID_ANY, VMADDR_CID_HOST, VsockAddr, VsockListener, VsockStream};

use super::mux;
use crate::{Context as _, Error, Kind, Result, services::Server, supervision::StreamRequests};

/// Time between a connection that could not be accepted and the next try.
const AGAIN: Duration = Duration::from_millis(100);

/// Tries in a row that may fail, which takes ten minutes.
const FAILURES: u32 = 6000;

/// Serves every connection of the host.
pub(super) async fn serve(server: Server, requests: StreamRequests) -> Result<Infallible> {
    // The kernel queues connections from here on, so the notification may precede the first accept.
    let listener = VsockListener::bind(VsockAddr::new(VMADDR_CID_ANY, port::GRPC))
        .map_err(|error| no_transport(&error))?;
    announce()
        .await
        .context(|| format!("notify the host on vsock port {} that the box is ready", port::READY_PORT))?;
    tokio::spawn(open_streams(requests));
    let dials = VsockListener::bind(VsockAddr::new(VMADDR_CID_ANY, port::DIAL_PORT))
        .context(|| format!("listen on vsock port {}", port::DIAL_PORT))?;
    let for_dials = server.clone();
    tokio::spawn(async move {
        loop {
            let Ok(stream) = accept(&dials).await else { return };
            let server = for_dials.clone();
            tokio::spawn(async move { mux::serve_inbound(&server, stream).await });
        }
    });
    loop {
        let stream = accept(&listener).await?;
        let server = server.clone();
        tokio::spawn(async move { server.serve(stream).await });
    }
}

/// Accepts a connection of the host.
async fn accept(listener: &VsockListener) -> Result<VsockStream> {
    let mut failures = 0;
    loop {
        match listener.accept().await {
            // If the kernel has vsock loopback, any process of the box could be on the other side.
            Ok((_, peer)) if peer.cid() != VMADDR_CID_HOST => {
                failures = 0;
                eprintln!("boxlite-guest: refused a vsock connection from CID {}", peer.cid());
            }
            Ok((stream, _)) => return Ok(stream),
            // The connection broke, or the box has no memory or descriptors left. Either is temporary.
            Err(error) if failures < FAILURES => {
                failures += 1;
                if failures == 1 {
                    eprintln!("boxlite-guest: accept a vsock connection: {error}");
                }
                sleep(AGAIN).await;
            }
            failed => return failed.map(|(stream, _)| stream).context(|| "accept a vsock connection"),
        }
    }
}

async fn announce() -> std::io::Result<()> {
    let mut stream = VsockStream::connect(VsockAddr::new(VMADDR_CID_HOST, port::READY_PORT)).await?;
    stream.write_all(port::READY).await?;
    stream.shutdown(std::net::Shutdown::Both)
}

async fn open_streams(mut requests: StreamRequests) {
    while let Some(request) = requests.recv().await {
        match VsockStream::connect(VsockAddr::new(VMADDR_CID_HOST, request.port)).await {
            Ok(stream) => drop(request.send(Box::new(stream))),
            Err(error) => eprintln!("boxlite-guest: connect to vsock port {}: {error}", request.port),
        }
    }
}

fn no_transport(error: &std::io::Error) -> Error {
    let name = port::SERIAL_NAME;
    Error::new(
        Kind::System,
        format!("reach the host: no virtio-serial port {name:?}, and listening on vsock failed: {error}"),
    )
}
