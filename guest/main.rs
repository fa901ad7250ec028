//! `/init` of every box: boots the machine, forks the zygote, serves the host, and switches the machine off.
//!
//! This is the order of events. Everything else is in the library.

use std::{io, time::Duration};

use boxlite_guest::{
    Context as _, Error, Kind, Result, boot, clock,
    services::{AgentStart, Server, Services},
    supervision::{EndedBy, HostStreams},
    transport,
    zygote::{self, AgentSocket, Zygote},
};
use tokio::{runtime, sync::watch, time};

/// How long open connections may take to close before the machine is switched off.
const CLOSING: Duration = Duration::from_millis(50);

fn main() {
    match run() {
        Err(error) => boot::fail(&error),
        Ok(EndedBy::Host) => boot::power_off(),
        Ok(EndedBy::Guest) => boot::announce_power_off(),
    }
}

fn run() -> Result<EndedBy> {
    let start = AgentStart::now();
    boot::mount_early()?;
    // It is forked while this process has one thread and little memory.
    let zygote = zygote::launch()?;
    // The hook is set after the fork: a panic of the zygote ends only the zygote, which the agent notices.
    boot::watch_panics();
    boot::ignore_children()?;
    boot::raise_file_limit()?;
    let runtime =
        runtime::Builder::new_current_thread().enable_all().build().context(|| "start the runtime")?;
    runtime.block_on(serve(zygote, start))
}

/// Serves until the machine is to be switched off.
async fn serve(zygote: AgentSocket, start: AgentStart) -> Result<EndedBy> {
    let zygote = Zygote::new(zygote)?;
    let (end, mut ended) = watch::channel(false);
    let (host_streams, requests) = HostStreams::new();
    let services = Services::new(&zygote, start, host_streams.clone(), end);
    tokio::spawn(clock::synchronise(host_streams));
    let server = Server::new(services.clone(), ended.clone());
    // It is a task of its own, which goes on carrying bytes while the connections close.
    let mut transport = tokio::spawn(transport::serve(server.clone(), requests));
    tokio::select! {
        failed = &mut transport => match failed.map_err(io::Error::other).context(|| "serve the host")?? {},
        _ = ended.wait_for(|ended| *ended) => {}
        () = zygote.lost() => return Err(Error::new(Kind::State, "container: its init was killed")),
    }
    // The answer to Shutdown may still be in a buffer. Every connection closes once its answers have been sent.
    let _ = time::timeout(CLOSING, server.closed()).await;
    transport::flush().await;
    Ok(services.ended_by())
}
