//! What a box tells about itself.

use boxlite_portal::Health;
use boxlite_spec::VmmKind;

use crate::{litebox::lifecycle::state::BoxState, options::labels::Labels, pipeline::timings::Timings};

/// A snapshot of a box.
#[derive(Debug, Clone, PartialEq, Eq)]
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
    /// Where it stands.
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
    /// Whether it lives on without the process that started it.
    pub detached: bool,
    /// Whether it is removed once its machine has ended.
    pub auto_remove: bool,
    /// The stages of the last start that succeeded.
    pub timings: Timings,
}
