//! Events of boxes and images. `bus` broadcasts them to readers; `watcher` adds those that a guest reports. The addon reads
//! them through [`EventStream`](bus::EventStream).

pub(crate) mod bus;
pub(crate) mod watcher;

use boxlite_error::ErrorCode;
use boxlite_portal::{ExitStatus, HealthChange, Limit, MainExit};
use boxlite_spec::network::control::Refusal;

use serde::{Deserialize, Serialize};

use crate::litebox::lifecycle::state::BoxState;

/// Something that happened.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Event {
    /// Milliseconds since the Unix epoch.
    pub time_ms: u64,
    /// The box that it is about. A pull that the user requested has `None`.
    pub box_id: Option<String>,
    /// What happened.
    pub kind: EventKind,
}

/// The kinds of events.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum EventKind {
    /// A box changed its state.
    State {
        /// The state before; `None` if the box was created.
        from: Option<BoxState>,
        /// The state now; `None` if the box was removed.
        to: Option<BoxState>,
        /// Why it failed, if it did.
        failure: Option<String>,
    },
    /// A process was started.
    ExecStarted {
        /// The execution.
        execution_id: String,
        /// Its program. Arguments are left out, since they may be secret.
        command: String,
        /// Its pid inside the box.
        pid: u32,
    },
    /// An execution ended whose output or end this process waited for.
    ExecExited {
        /// The execution.
        execution_id: String,
        /// How it ended.
        exit: ExitStatus,
    },
    /// The main process runs.
    MainStarted {
        /// Its pid inside the box.
        pid: u32,
        /// How often it was started again.
        restarts: u32,
    },
    /// The main process ended.
    MainExited(MainExit),
    /// The box's health changed.
    Health(HealthChange),
    /// The box's kernel killed a process because memory ran out.
    OutOfMemory {
        /// The execution that it belonged to, where that is known.
        execution_id: Option<String>,
    },
    /// A limit ends the box.
    Limit(Limit),
    /// The box's network refused a destination.
    Network(Refusal),
    /// An image is being fetched, or was, or could not be.
    Pull {
        /// The image as the caller named it.
        source: String,
        /// How far it is.
        phase: PullPhase,
    },
    /// So many events were lost, since this reader or the host was too slow.
    Lost(u64),
}

/// How far a pull is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PullPhase {
    /// The source is being queried.
    Started,
    /// The image is in the cache.
    Done {
        /// Digest of the manifest.
        digest: String,
    },
    /// The pull failed.
    Failed {
        /// The error's code.
        code: ErrorCode,
        /// Its text.
        message: String,
    },
}
