//! The second half of a start: from the disk to a container that takes executions.

use std::{
    fs, io,
    sync::{Arc, PoisonError},
    time::Duration,
};

use boxlite_disk::free_leaked_clusters;
use boxlite_error::{BoxliteError, BoxliteResult, ErrorCode, Stage, Term, text};
use boxlite_portal::{GuestSession, NetworkConfig};
use boxlite_proto::v1::ContainerInitRequest;
use boxlite_spec::{
    DiskFormat, DiskSpec, InstanceSpec, JournalSpec, SPEC_VERSION, TransportSpec, network::NetworkSpec,
};
use boxlite_wire::{limits, port::READY};
use prost::Message as _;
use tokio::{
    io::AsyncReadExt,
    net::UnixListener,
    time::{Instant, timeout, timeout_at},
};

use crate::{
    blocking::blocking,
    container::{spec, supervision::STOP_GRACE_MS},
    events::watcher::GuestWatcher,
    litebox::{lifecycle::machine::Machine, network::control::Control},
    network::plan::{Host, NetworkPlan},
    options::supervision::SupervisionOptions,
    pipeline::Pipeline,
    shim::{
        assets::Asset, controller::ShimController, engine::Engine, outcome::console_excerpt,
        socket::BoxSocket,
    },
    state::{clock::now_ms, layout::BoxPaths, record::MachineRecord},
};

/// How long a killed shim may take to be gone.
const SHIM_EXIT: Duration = Duration::from_secs(5);
/// How long a guest may be late to end itself.
const OVERDUE: Duration = Duration::from_secs(10);

impl Pipeline {
    pub(super) async fn boot(&self) -> BoxliteResult<Machine> {
        let container = self.container()?;
        let started_at_ms = now_ms();
        let spawn = async {
            let network = self.network().await?;
            let (shim, guest) = network.map(|plan| (plan.shim, plan.guest)).unzip();
            Ok((self.spawn(container.supervision.is_some(), shim).await?, guest))
        };
        let ((engine, ready, shim), network) = self.stage(Stage::Spawn, spawn).await?;
        let session = GuestSession::new(self.paths.portal().channel()?);
        if let Err(error) = self.bring_up(&shim, engine, ready, &session, (network, container)).await {
            return Err(self.give_up(shim, error).await);
        }
        // The guest has reported, and does so only once.
        self.paths.ready().remove();
        let timings = self.timings.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let size = Some(self.config.size());
        Ok(Machine {
            record: MachineRecord { shim: shim.identity(), engine, started_at_ms, timings, size },
            shim,
            session,
            watcher: GuestWatcher::new(&self.config.id, &self.home.events),
            network: self.config.network_watch(&self.paths, &self.home.events),
            handle: self.home.handle.clone(),
        })
    }

    /// From a spawned shim to a container, within the time that a guest has for that.
    async fn bring_up(
        &self,
        shim: &ShimController,
        engine: Engine,
        ready: UnixListener,
        session: &GuestSession,
        (network, container): (Option<NetworkConfig>, ContainerInitRequest),
    ) -> BoxliteResult<()> {
        let (config, limit) = (&self.config, self.boot.on(engine));
        let silent = |what: &str| {
            let (id, limit) = (&config.id, limit.as_millis());
            let what =
                format!("start box `{id}`: the guest {what} after {limit} ms on engine `{}`", engine.kind);
            Err(BoxliteError::new(ErrorCode::GuestTimeout, what).hint(text![
                "the machine may be overloaded: raise ",
                Term::Option("start_timeout_ms"),
                "; ",
                Term::Doctor,
                " tells what could make it faster"
            ]))
        };
        let end = Instant::now() + limit;
        let ready = timeout_at(end, await_ready(shim, ready, &config.id));
        self.stage(Stage::Ready, async { ready.await.unwrap_or_else(|_| silent("was not ready")) }).await?;
        let network = self.stage(Stage::Guest, self.trusting(network)).await?;
        let mut guest = session.guest();
        let init = timeout_at(end, Box::pin(guest.init(config.hostname(), network.as_ref())));
        self.stage(Stage::Guest, async { init.await.unwrap_or_else(|_| silent("was not set up")) }).await?;
        let mut interface = session.container();
        let init = timeout_at(end, Box::pin(interface.init(container)));
        self.stage(Stage::Container, async { init.await.unwrap_or_else(|_| silent("had no container")) })
            .await
    }

    /// The request that makes the container. Options that don't fit the image fail here, before there is a machine.
    fn container(&self) -> BoxliteResult<ContainerInitRequest> {
        let Some(image) = &self.config.resolved else {
            let message = format!("start box `{}`: its image is not resolved", self.config.id);
            return Err(BoxliteError::new(ErrorCode::Internal, message));
        };
        let container = spec::build(&self.config, image)?;
        let size = container.encoded_len();
        if size > limits::MESSAGE {
            let (id, most) = (&self.config.id, limits::MESSAGE);
            let what = "options and image describe a container of";
            let message =
                format!("start box `{id}`: {what} {size} bytes; at most {most} can be given to a box");
            return Err(BoxliteError::invalid(message).hint("give less environment").at(Stage::Container));
        }
        Ok(container)
    }

    /// Ends the shim of a failed start and adds what is known: why the shim ended, if it did, and the console's end.
    async fn give_up(&self, shim: ShimController, error: BoxliteError) -> BoxliteError {
        let console = self.paths.console();
        let ended = timeout(Duration::from_millis(200), shim.ended()).await;
        shim.kill();
        let _ = shim.ended_within(SHIM_EXIT).await;
        let stage = error.stage();
        let error = match ended {
            Ok(Ok(outcome)) if !outcome.by_guest() || error.code() == ErrorCode::PortalLost => {
                outcome.into_error(&format!("start box `{}`", self.config.id), &console)
            }
            _ => {
                let excerpt = console_excerpt(&console);
                let message = text![error.message(), excerpt];
                let hint = error.hint_text().cloned();
                BoxliteError::new(error.code(), message).maybe_hint(hint).caused_by(error)
            }
        };
        match stage {
            Some(stage) => error.at(stage),
            None => error,
        }
    }
}

impl Pipeline {
    /// Starts the shim. The socket on which the guest reports that it is ready is open before that. With `journaled`, the shim writes the
    /// box's journal.
    async fn spawn(
        &self,
        journaled: bool,
        network: Option<NetworkSpec>,
    ) -> BoxliteResult<(Engine, UnixListener, ShimController)> {
        let engine = self.home.engine().await?;
        let program = self.home.options.assets.find(Asset::Shim)?;
        let spec = self.spec(engine, journaled, network)?;
        let (paths, lock) = (self.paths.clone(), Arc::clone(&self.lock));
        // The shim is dropped before the lock: when the start is given up meanwhile, it is killed before the lock is released.
        let start = move || {
            clear_up(&paths)?;
            let socket = paths.ready();
            let ready = socket.listen().and_then(UnixListener::from_std);
            let ready = ready.map_err(|error| BoxliteError::io("listen on socket", socket.path(), error))?;
            let shim = ShimController::spawn(&program, &spec, paths.dir(), &paths.shim_log())?;
            Ok((shim, lock, ready))
        };
        let (shim, _, ready) = blocking("start a shim", start).await?;
        Ok((engine, ready, shim))
    }

    /// What this host and the box's options make of its network.
    async fn network(&self) -> BoxliteResult<Option<NetworkPlan>> {
        if self.config.options.network.is_none() {
            return Ok(None);
        }
        let config = self.config.clone();
        blocking("plan a network", move || NetworkPlan::of(&config, &Host::read()?)).await
    }

    /// Adds the certificate of the box's own authority, so that it is in the box's store before anything runs there.
    async fn trusting(&self, network: Option<NetworkConfig>) -> BoxliteResult<Option<NetworkConfig>> {
        let Some(mut network) = network else { return Ok(None) };
        if self.config.options.secrets.is_empty() {
            return Ok(Some(network));
        }
        let control = Control::new(&self.config.id, self.paths.control_socket());
        network.ca_certificates.extend_from_slice(control.authority().await?.as_bytes());
        Ok(Some(network))
    }

    fn spec(
        &self,
        engine: Engine,
        journaled: bool,
        network: Option<NetworkSpec>,
    ) -> BoxliteResult<InstanceSpec> {
        let Self { home, paths, config, .. } = self;
        let socket = |socket: BoxSocket| socket.path().to_owned();
        for port in config.options.ports.iter().filter(|port| port.bind.is_unspecified()) {
            tracing::warn!(box_id = config.id, port = port.guest, bind = %port.bind, "other machines reach this port of the box");
        }
        let journal = || JournalSpec { socket: socket(paths.journal_socket()), file: paths.journal() };
        let format = DiskFormat::Qcow2;
        Ok(InstanceSpec {
            version: SPEC_VERSION,
            box_id: config.id.clone(),
            engine: engine.kind,
            cpus: config.options.cpus,
            memory_mib: config.options.memory_mib,
            kernel: home.options.assets.find(Asset::Kernel)?,
            initramfs: home.options.assets.find(Asset::Initramfs)?,
            disks: vec![DiskSpec { id: "root".to_owned(), path: paths.disk(), format, read_only: false }],
            transport: TransportSpec {
                portal: socket(paths.portal()),
                ready: socket(paths.ready()),
                clock: Some(socket(paths.clock_socket())),
                dial: Some(socket(paths.dial_socket())),
            },
            console: paths.console(),
            lock: paths.shim_lock(),
            attached: !config.options.detached,
            journal: journaled.then(journal),
            counters: network.is_some().then(|| paths.counters()),
            network,
            publish: config.options.ports.clone(),
            control: Some(socket(paths.control_socket())),
            deadline_ms: deadline_ms(&config.options.supervision, self.boot.on(engine), now_ms()),
            qemu: None,
        })
    }
}

/// Removes what a killed machine left of this box. Nobody else has the disk open now.
fn clear_up(paths: &BoxPaths) -> BoxliteResult<()> {
    let leaked = free_leaked_clusters(&paths.disk())?;
    if leaked > 0 {
        tracing::debug!(leaked, disk = %paths.disk().display(), "clusters that a killed engine leaked were freed");
    }
    paths.remove_sockets();
    // The spec holds the deadline of this start.
    let _ = fs::remove_file(paths.deadline());
    Ok(())
}

/// When the shim ends a machine whose guest does not keep its limits, in milliseconds from the shim's start; 0 is never. The guest
/// counts from its container's start.
pub(crate) fn deadline_ms(options: &SupervisionOptions, boot: Duration, started_at_ms: u64) -> u64 {
    let SupervisionOptions { max_lifetime_ms, ends_at_ms, .. } = *options;
    let until = ends_at_ms.saturating_sub(started_at_ms).max(1);
    let limits = [max_lifetime_ms, if ends_at_ms == 0 { 0 } else { until }];
    let Some(first) = limits.into_iter().filter(|limit| *limit > 0).min() else { return 0 };
    let after = boot + Duration::from_millis(STOP_GRACE_MS.into()) + OVERDUE;
    first.saturating_add(u64::try_from(after.as_millis()).unwrap_or(u64::MAX))
}

/// Waits until the guest reports that it is ready, or the shim has ended.
async fn await_ready(shim: &ShimController, ready: UnixListener, id: &str) -> BoxliteResult<()> {
    let notified = async {
        loop {
            let (mut stream, _) = ready.accept().await?;
            let mut message = [0; READY.len()];
            match timeout(Duration::from_secs(5), stream.read_exact(&mut message)).await {
                Ok(Ok(_)) if message == READY => return Ok::<_, io::Error>(()),
                // Not from the guest's agent.
                _ => {}
            }
        }
    };
    tokio::select! {
        result = notified => result.map_err(|error| {
            BoxliteError::new(ErrorCode::Internal, format!("wait until box `{id}` is ready")).caused_by(error)
        }),
        outcome = shim.ended() => {
            Err(BoxliteError::new(ErrorCode::PortalLost, format!("start box `{id}`: {}", outcome?.describe())))
        }
    }
}
