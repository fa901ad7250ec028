//! What a box tells about itself.

use std::fmt;

use boxlite_spec::VmmKind;
use serde::{Deserialize, Serialize};

use crate::{Labels, Timings};

/// Where a box stands in its life.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum BoxState {
    /// Made, never started.
    Created,
    /// The pipeline is at work.
    Starting,
    /// The machine runs.
    Running,
    /// The machine is being ended.
    Stopping,
    /// Ended, with its disk kept.
    Stopped,
    /// The last start failed, or the machine ended on its own; starting again is allowed.
    Failed,
}

impl BoxState {
    /// Every state.
    pub const ALL: [Self; 6] =
        [Self::Created, Self::Starting, Self::Running, Self::Stopping, Self::Stopped, Self::Failed];

    /// The name that users see.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Created => "created",
            Self::Starting => "starting",
            Self::Running => "running",
            Self::Stopping => "stopping",
            Self::Stopped => "stopped",
            Self::Failed => "failed",
        }
    }
}

impl fmt::Display for BoxState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

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
    /// The engine it runs on, while it runs.
    pub engine: Option<VmmKind>,
    /// Whether that engine is on hardware virtualisation.
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
    /// The stages of the start that brought it up, while it runs.
    pub timings: Timings,
}
