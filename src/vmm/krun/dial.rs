//! Carries the connections to the dialer's socket over one vsock stream, where libkrun would need one for each. They are relayed as
//! under QEMU, since libkrun's vsock can't end one direction of a stream from the host's side, and stops as a whole while a host end is
//! not read. Called by `engine`.

use std::{
    io,
    os::unix::net::UnixListener as StdListener,
    path::{Path, PathBuf},
};

use boxlite_spec::ShimExit;
use tokio::net::{UnixListener, UnixStream};

use crate::{
    background,
    error::{Context as _, Result},
    relay::{self, DIAL_MAX, Inbound},
    socket,
};

/// Listens at `dial` on a thread of its own. Returns where libkrun is to listen for the stream, in whose place nothing is left.
pub(super) fn serve(dial: &Path) -> Result<PathBuf> {
    let listener = socket::listen(dial)?;
    let carrier = socket::carrier(dial);
    socket::clear(&carrier)?;
    let name = socket::name(&carrier);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = runtime.context(ShimExit::Resource, "start the relay", "of the dialer")?;
    let carrier = name.clone();
    background::spawn("dial", move || {
        // It fails only if the listener can't be watched; then connections wait, and time out, as with a box that does not answer.
        let _ = runtime.block_on(relay(listener, &carrier));
    })?;
    Ok(name)
}

/// Relays until the process ends. A stream that breaks is followed by another one at the next connection.
async fn relay(listener: StdListener, carrier: &Path) -> io::Result<()> {
    let mut inbound = [Inbound::new(UnixListener::from_std(listener)?, DIAL_MAX)];
    loop {
        let [first] = &mut inbound;
        first.accepted().await;
        match UnixStream::connect(carrier).await {
            Ok(stream) => drop(relay::run(stream, &mut inbound, None).await),
            // The machine has not been entered yet.
            Err(_) => first.refuse(),
        }
    }
}
