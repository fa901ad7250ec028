//! `BoxInfo`: a snapshot of a box's configuration and state.

use boxlite_error::BoxliteResult;
use boxlite_portal::Health;
use boxlite_spec::{VmmKind, network::BackendKind};

use serde::{Deserialize, Serialize};

use crate::{
    litebox::{
        core::BoxCore,
        lifecycle::{observed_state::ObservedState, state::BoxState},
    },
    options::{
        box_options::{BoxOptions, MOST_PIDS},
        labels::Labels,
    },
    pipeline::timings::Timings,
};

/// A snapshot of a box.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct BoxInfo {
    /// Its id.
    pub id: String,
    /// Its name, if it has one.
    pub name: Option<String>,
    /// Its labels; from the first start on over those of its image.
    pub labels: Labels,
    /// The image as the caller named it.
    pub image: String,
    /// The manifest digest that this meant at the first start.
    pub image_digest: Option<String>,
    /// Its state.
    pub state: BoxState,
    /// The engine it runs on, or ran on last.
    pub engine: Option<VmmKind>,
    /// Whether that engine was on hardware virtualisation.
    pub accelerated: Option<bool>,
    /// The shim's pid, while it runs.
    pub pid: Option<u32>,
    /// Virtual CPUs that it has, or will have when it starts.
    pub cpus: u8,
    /// Memory in MiB that it has, or will have when it starts.
    pub memory_mib: u32,
    /// Virtual CPUs from the next start on, where that is another number.
    pub next_cpus: Option<u8>,
    /// Memory in MiB from the next start on, where that is another size.
    pub next_memory_mib: Option<u32>,
    /// Processes and threads that may be in it at once.
    pub pids_limit: u32,
    /// Milliseconds after its start at which it stops; 0 is never.
    pub max_lifetime_ms: u64,
    /// Milliseconds without use after which it stops; 0 is never.
    pub idle_timeout_ms: u64,
    /// When it stops, in milliseconds since the Unix epoch; 0 is never.
    pub ends_at_ms: u64,
    /// Size of the disk in MiB; by default it is known when the box was started for the first time.
    pub disk_size_mib: Option<u32>,
    /// Milliseconds since the Unix epoch.
    pub created_at_ms: u64,
    /// Why it failed, when its state is [`BoxState::Failed`].
    pub failure: Option<String>,
    /// How it fares by its health check, where it has one and runs.
    pub health: Option<Health>,
    /// What it may reach; `None` if it has no network.
    pub network: Option<NetworkInfo>,
    /// Whether it lives on without the process that started it.
    pub detached: bool,
    /// Whether it is removed once its machine has ended.
    pub auto_remove: bool,
    /// The stages of the last start that succeeded.
    pub timings: Timings,
}

/// What a box may reach, without anything that is secret.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct NetworkInfo {
    /// What serves its network device.
    pub backend: BackendKind,
    /// The rules that allow; `None` is `public`.
    pub allow: Option<Vec<String>>,
    /// The rules that refuse, which are looked at first.
    pub deny: Vec<String>,
    /// The variables of its secrets, with the hosts that get each.
    pub secrets: Vec<(String, Vec<String>)>,
}

impl NetworkInfo {
    fn of(options: &BoxOptions) -> Option<Self> {
        let network = options.network.as_ref()?;
        let secrets = options.secrets.iter().map(|secret| (secret.env.clone(), secret.hosts.clone()));
        Some(Self {
            backend: network.backend,
            allow: network.allow.clone(),
            deny: network.deny.clone(),
            secrets: secrets.collect(),
        })
    }
}

impl BoxInfo {
    /// Size of the disk in GiB, where it is known.
    pub fn disk_size_gib(&self) -> Option<f64> {
        self.disk_size_mib.map(|mib| f64::from(mib) / 1024.0)
    }
}

impl BoxCore {
    /// A snapshot of the box. Blocking: it reads files, up to the whole journal.
    ///
    /// # Errors
    /// `BOX_REMOVED`; `STORAGE_IO` and its kin if the files can't be read.
    pub(crate) fn info(&self) -> BoxliteResult<BoxInfo> {
        let config = self.reread()?;
        let ObservedState { record, pid, .. } = self.observe_state()?;
        let health = self.health(&config.options.supervision, &record)?;
        let engine = record.machine.as_ref().map(|machine| machine.engine);
        let (next, running) = (config.size(), !record.state.at_rest());
        let now =
            record.machine.as_ref().filter(|_| running).and_then(|machine| machine.size).unwrap_or(next);
        let (supervision, network) = (&config.options.supervision, NetworkInfo::of(&config.options));
        Ok(BoxInfo {
            labels: config.labels(),
            id: config.id,
            name: config.options.name,
            image: config.options.image,
            image_digest: config.resolved.map(|image| image.digest),
            state: record.state,
            engine: engine.map(|engine| engine.kind),
            accelerated: engine.map(|engine| engine.accelerated),
            pid,
            cpus: now.cpus,
            memory_mib: now.memory_mib,
            next_cpus: (next.cpus != now.cpus).then_some(next.cpus),
            next_memory_mib: (next.memory_mib != now.memory_mib).then_some(next.memory_mib),
            pids_limit: config.options.pids_limit.unwrap_or(MOST_PIDS),
            max_lifetime_ms: supervision.max_lifetime_ms,
            idle_timeout_ms: supervision.idle_timeout_ms,
            ends_at_ms: supervision.ends_at_ms,
            disk_size_mib: config.options.disk_size_mib,
            created_at_ms: config.created_at_ms,
            failure: record.failure,
            network,
            detached: config.options.detached,
            auto_remove: config.options.auto_remove,
            health,
            timings: record.machine.map(|machine| machine.timings).unwrap_or_default(),
        })
    }
}
