//! `ObservedState`: the state of a box now, whichever process started it: what `state.json` says, compared with who holds the
//! locks. Used by `info`, lists and the sweep; it changes nothing and waits for nobody.

use boxlite_error::BoxliteResult;
use boxlite_portal::MainExit;

use crate::{
    litebox::lifecycle::state::BoxState,
    shim::{outcome::ShimOutcome, process::ShimStatus},
    state::{config::BoxConfig, journal::reader::Journal, layout::BoxPaths, lock, record::BoxRecord},
};

/// A box's state by its files and locks.
#[derive(Debug)]
pub(crate) struct ObservedState {
    pub(crate) record: BoxRecord,
    /// The shim, while there is a machine or one is being made or ended.
    pub(crate) pid: Option<u32>,
    /// Whether the file says what was true before a process was killed: the next transition corrects it.
    pub(crate) stale: bool,
}

impl ObservedState {
    /// Reads the files and the locks. Blocking.
    ///
    /// # Errors
    /// `STORAGE_IO` if a lock can't be examined; `ENGINE_FAILED` if the kernel gives no pidfd; `HOST_LIMIT`.
    pub(crate) fn of(paths: &BoxPaths, config: &BoxConfig) -> BoxliteResult<Self> {
        let mut record = BoxRecord::read(paths, config.rest())?;
        loop {
            if record.state.at_rest() {
                return Ok(Self { record, pid: None, stale: false });
            }
            let presence = ShimStatus::of(&paths.shim_lock())?;
            let pid = match &presence {
                ShimStatus::Alive(process) => Some(process.identity.pid),
                _ => None,
            };
            let under_way = record.state != BoxState::Running && lock::is_held(&paths.lock())?;
            // Another process may have written a new record meanwhile.
            let again = BoxRecord::read(paths, config.rest())?;
            if again != record {
                record = again;
                continue;
            }
            if under_way || (record.state == BoxState::Running && record.is_alive(&presence)) {
                return Ok(Self { record, pid, stale: false });
            }
            return Ok(Self { record: record.after(&presence, config, paths, None)?, pid, stale: true });
        }
    }
}

impl BoxRecord {
    /// Whether the machine that came up last is there.
    pub(in crate::litebox) fn is_alive(&self, presence: &ShimStatus) -> bool {
        matches!((presence, &self.machine), (ShimStatus::Alive(process), Some(machine)) if process.identity == machine.shim)
    }

    /// How the main process of the machine that ended exited, by the machine's journal.
    pub(in crate::litebox) async fn main_exit(&self, paths: &BoxPaths) -> Option<MainExit> {
        let since = self.machine.as_ref()?.started_at_unix_ns();
        Journal::of(paths).exits(since).known().await
    }

    /// The record of a box that no process is changing any more: a process was killed, or its machine ended by itself. `outcome` is known
    /// to the parent of the shim.
    ///
    /// # Errors
    /// `HOST_LIMIT` if the shim's report can't be read for want of descriptors.
    pub(in crate::litebox) fn after(
        &self,
        presence: &ShimStatus,
        config: &BoxConfig,
        paths: &BoxPaths,
        outcome: Option<ShimOutcome>,
    ) -> BoxliteResult<Self> {
        let rest = |state| Self { state, failure: None, ..self.clone() };
        Ok(match self.state {
            // The machine goes on, or goes on ending.
            BoxState::Running | BoxState::Stopping if self.is_alive(presence) => self.clone(),
            BoxState::Running => {
                let outcome = outcome.map_or_else(|| ShimOutcome::from_log(&paths.shim_log()), Ok)?;
                match outcome.failure(Some(&paths.console())) {
                    None => rest(BoxState::Stopped),
                    failure => Self { failure, ..rest(BoxState::Failed) },
                }
            }
            BoxState::Stopping => rest(BoxState::Stopped),
            // A start that no process completes leaves the box as it was.
            BoxState::Starting => rest(config.rest()),
            state => Self { failure: self.failure.clone(), ..rest(state) },
        })
    }
}
