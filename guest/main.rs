//! `/init` of every box: boots the machine, forks the zygote, serves the host, ends the machine.
//!
//! Everything of substance is in the library; this is the order of events.

use std::{io, time::Duration};

use boxlite_guest::{
    Context as _, Error, Kind, Result, boot, clock,
    services::{AgentStart, Server, Services},
    supervision::{Ending, HostLine},
    transport,
    zygote::{self, Side, Zygote},
};
use tokio::{runtime, sync::watch, time};

/// How long open connections may take to close once the machine is to end.
const CLOSING: Duration = Duration::from_millis(50);

fn main() {
    match run() {
        Err(error) => boot::die(&error),
        Ok(Ending::Asked) => boot::power_off(),
        Ok(Ending::OfItself) => boot::announce_power_off(),
    }
}

fn run() -> Result<Ending> {
    let start = AgentStart::now();
    boot::mount_early()?;
    // While this process has one thread and little memory.
    let zygote = zygote::launch()?;
    // Only now: a panic of the zygote ends nothing but the zygote, which the agent sees.
    boot::watch_panics();
    boot::ignore_children()?;
    boot::raise_file_limit()?;
    let runtime =
        runtime::Builder::new_current_thread().enable_all().build().context(|| "start the runtime")?;
    runtime.block_on(serve(zygote, start))
}

/// Serves until the machine is to end.
async fn serve(zygote: Side, start: AgentStart) -> Result<Ending> {
    let zygote = Zygote::new(zygote)?;
    let (end, mut ended) = watch::channel(false);
    let (line, asks) = HostLine::new();
    let services = Services::new(&zygote, start, line.clone(), end);
    tokio::spawn(clock::keep(line));
    let server = Server::new(services.clone(), ended.clone());
    // A task of its own: it must go on carrying bytes while the connections close.
    let mut carried = tokio::spawn(transport::serve(server.clone(), asks));
    tokio::select! {
        failed = &mut carried => match failed.map_err(io::Error::other).context(|| "serve the host")?? {},
        _ = ended.wait_for(|ended| *ended) => {}
        () = zygote.lost() => return Err(Error::new(Kind::State, "container: its init was killed")),
    }
    // The answer to Shutdown is on its way: every connection closes once its answers have left.
    let _ = time::timeout(CLOSING, server.closed()).await;
    transport::flush().await;
    Ok(services.wanted_by())
}
