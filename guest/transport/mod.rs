//! How the host reaches the agent: over vsock where there is one, else over a virtio-serial port that carries yamux.
//!
//! Called by `main.rs`. Either way every connection is handed to the services' [`Server`], and the ready notification
//! goes out when connections are being accepted, not before.
//!
//! [`Server`]: crate::services::Server

mod mux;
mod port;
mod vsock;

use std::{convert::Infallible, time::Duration};

use tokio::time::sleep;

use crate::{Result, services::Server, supervision::HostAsks};

/// Serves the host until the machine is to end, and opens the streams that are asked for; returns only with an error.
pub async fn serve(server: Server, asks: HostAsks) -> Result<Infallible> {
    match port::find()? {
        Some(device) => mux::serve(server, &device, asks).await,
        None => vsock::serve(server, asks).await,
    }
}

/// Gives the kernel the time to hand the last bytes to the host: a vsock's are sent by a kernel thread, which runs as soon as
/// this process sleeps, a port's wait for the host to make room.
pub async fn flush() {
    sleep(match port::find() {
        Ok(None) => Duration::from_micros(500),
        _ => Duration::from_millis(2),
    })
    .await;
}
