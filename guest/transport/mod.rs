//! How the host reaches the agent: over vsock where there is one, else over a virtio-serial port that carries yamux.
//!
//! Called by `main.rs`. Either way every connection is served by the services' [`Server`], and the ready notification is sent when
//! connections are accepted, and not before.
//!
//! [`Server`]: crate::services::Server

mod mux;
mod port;
mod prefixed;
mod vsock;

use std::{convert::Infallible, time::Duration};

use tokio::time::sleep;

use crate::{Result, services::Server, supervision::StreamRequests};

/// Serves the host until the machine is switched off, and opens the streams that are requested. Returns only with an error.
///
/// # Errors
///
/// There is no transport, or it fails for good.
pub async fn serve(server: Server, requests: StreamRequests) -> Result<Infallible> {
    match port::find()? {
        Some(device) => mux::serve(server, &device, requests).await,
        None => vsock::serve(server, requests).await,
    }
}

/// Waits until the kernel has passed the last bytes to the host. Those of a vsock are sent by a kernel thread, which runs as soon
/// as this process sleeps. Those of a port wait until the host has room.
pub async fn flush() {
    sleep(match port::find() {
        Ok(None) => Duration::from_micros(500),
        _ => Duration::from_millis(2),
    })
    .await;
}
