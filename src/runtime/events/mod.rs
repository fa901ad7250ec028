//! What happens to boxes and images, for whoever wants to know. `bus` takes it from where it happens to the readers;
//! `watcher` adds what a guest tells on its own. The addon reads through [`EventStream`].

pub(crate) mod bus;
pub(crate) mod watcher;

use boxlite_error::ErrorCode;
use boxlite_portal::{ExitStatus, HealthChange, Limit, MainExit};

use serde::{Deserialize, Serialize};

use crate::litebox::lifecycle::state::BoxState;

/// Something that happened.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Event {
    /// Milliseconds since the Unix epoch.
    pub time_ms: u64,
    /// The box that it is about; `None` of a pull that nobody asked for but the user.
    pub box_id: Option<String>,
    /// What.
    pub kind: EventKind,
}

/// What happened.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum EventKind {
    /// A box changed its state.
    State {
        /// The one that it left; `None`: it was made.
        from: Option<BoxState>,
        /// The one that it is in; `None`: it was removed.
        to: Option<BoxState>,
        /// Why it failed, if it did.
        failure: Option<String>,
    },
    /// A process was started.
    ExecStarted {
        /// The execution.
        execution_id: String,
        /// Its program; arguments may hold what is nobody's business.
        command: String,
        /// Its pid inside the box.
        pid: u32,
    },
    /// A process ended whose output or end somebody in this process waited for.
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
    /// The box's kernel killed a process for want of memory.
    OutOfMemory {
        /// The execution that it belonged to, where that is known.
        execution_id: Option<String>,
    },
    /// A limit ends the box.
    Limit(Limit),
    /// An image is being fetched, or was, or could not be.
    Pull {
        /// As it was asked for.
        source: String,
        /// How far it is.
        phase: PullPhase,
    },
    /// So many events were lost: this reader was too slow, or the host for the guest.
    Lost(u64),
}

/// How far a pull is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PullPhase {
    /// The source is asked.
    Started,
    /// The image is in the cache.
    Done {
        /// Digest of the manifest.
        digest: String,
    },
    /// It is not.
    Failed {
        /// The error's code.
        code: ErrorCode,
        /// Its text.
        message: String,
    },
}
