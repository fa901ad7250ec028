//! What a box tells about itself.

use boxlite_spec::VmmKind;

use super::BoxState;
use crate::{Health, Labels, Timings};

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
    /// Virtual CPUs.
    pub cpus: u8,
    /// Memory in MiB.
    pub memory_mib: u32,
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
