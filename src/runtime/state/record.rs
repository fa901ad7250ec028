//! `BoxRecord`: the state of a box, as `state.json` has it. It is written under the box's lock and read by any process.

use boxlite_error::BoxliteResult;
use boxlite_portal::MainExit;
use boxlite_spec::ShimIdentity;
use serde::{Deserialize, Serialize};

use crate::{
    litebox::lifecycle::state::BoxState,
    pipeline::timings::Timings,
    shim::engine::Engine,
    state::{
        json_file::{self, Durability},
        layout::BoxPaths,
    },
};

/// The state of the box. Whether it runs is known by its shim's lock alone, so a state that was not flushed does no harm.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct BoxRecord {
    pub(crate) state: BoxState,
    /// Why the box failed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) failure: Option<String>,
    /// The machine of the last start that succeeded.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) machine: Option<MachineRecord>,
    /// How the main process of that machine ended.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) exit: Option<MainExit>,
}

/// A machine that came up: all that another process needs to join it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct MachineRecord {
    pub(crate) shim: ShimIdentity,
    pub(crate) engine: Engine,
    /// When it was switched on, in milliseconds since the Unix epoch.
    pub(crate) started_at_ms: u64,
    pub(crate) timings: Timings,
    /// What it was given; a box can be given more meanwhile, for its next one. Unknown of a machine of an older version.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) size: Option<MachineSize>,
}

/// What only the start of a machine decides.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct MachineSize {
    pub(crate) cpus: u8,
    pub(crate) memory_mib: u32,
}

impl MachineRecord {
    /// When it was switched on, in the journal's unit: the records of its run are no older.
    pub(crate) const fn started_at_unix_ns(&self) -> u64 {
        self.started_at_ms * 1_000_000
    }
}

impl BoxRecord {
    /// The record of a new box.
    pub(crate) const fn created() -> Self {
        Self { state: BoxState::Created, failure: None, machine: None, exit: None }
    }

    /// Reads the file. A box whose file is missing or damaged is at `rest`, unless its shim's lock is held.
    ///
    /// # Errors
    /// `HOST_LIMIT` if this process may open no more files, which says nothing of the box: it may run.
    pub(crate) fn read(paths: &BoxPaths, rest: BoxState) -> BoxliteResult<Self> {
        let read = json_file::read_if_whole(&paths.state())?;
        Ok(read.unwrap_or(Self { state: rest, ..Self::created() }))
    }

    pub(crate) fn save(&self, paths: &BoxPaths) -> BoxliteResult<()> {
        json_file::write(&paths.state(), self, Durability::Cached)
    }
}
