//! `Transition`: the right to change a box. It holds the box's lock, so that of all threads and processes one at a time
//! starts, stops, amends or removes it, and begins with what is on disk, corrected for what killed processes left.
//! Made by whatever changes a box, and by the sweep of a home.

use std::{sync::Arc, time::Duration};

use boxlite_error::{BoxliteError, BoxliteResult, ErrorCode};
use boxlite_portal::GuestSession;

use crate::{
    events::watcher::GuestWatcher,
    litebox::{
        core::{BoxCore, accept_removal},
        lifecycle::{end::BoxEnd, locked_box::LockedBox, machine::Machine, state::BoxState, transition_log},
    },
    shim::{
        controller::ShimController,
        outcome::{ShimOutcome, report_request},
        process::{ShimProcess, ShimStatus},
    },
    state::{
        config::BoxConfig,
        layout::BoxPaths,
        lock::FileLock,
        record::{BoxRecord, MachineRecord},
    },
};

/// The grace between SIGTERM and SIGKILL when a stop is completed whose process was killed.
const LATE_GRACE: Duration = Duration::from_secs(5);
/// How long a killed shim may take to be gone.
const SHIM_EXIT: Duration = Duration::from_secs(5);

/// A box that this process alone may change, until this is dropped.
pub(crate) struct Transition {
    core: Arc<BoxCore>,
    pub(in crate::litebox) config: BoxConfig,
    pub(in crate::litebox) record: BoxRecord,
    /// The shim, if the box runs and nobody has joined it yet.
    shim: Option<ShimProcess>,
    /// Shared with work on threads that nobody can call back: the lock is released when all of that is done.
    lock: Arc<FileLock>,
}

impl Transition {
    /// Waits for the box's lock, and corrects the record of what killed processes left.
    ///
    /// # Errors
    /// `BOX_REMOVED` if the box is gone by then; `BOX_BUSY` if another process keeps the lock; `STORAGE_IO` and its kin.
    pub(crate) async fn begin(core: &Arc<BoxCore>) -> BoxliteResult<Self> {
        Self::begin_after(core, None).await
    }

    /// The same after the end of a shim, whose parent knows its `outcome`.
    pub(in crate::litebox) async fn begin_after(
        core: &Arc<BoxCore>,
        outcome: Option<ShimOutcome>,
    ) -> BoxliteResult<Self> {
        Self::with(core, LockedBox::wait(core).await?, outcome).await
    }

    /// Begins if nobody has the box's lock; otherwise returns `None`.
    ///
    /// # Errors
    /// As [`begin`](Self::begin), without `BOX_BUSY`.
    pub(crate) async fn try_begin(core: &Arc<BoxCore>) -> BoxliteResult<Option<Self>> {
        match LockedBox::within(core, Duration::ZERO).await? {
            Some(locked) => Self::with(core, locked, None).await.map(Some),
            None => Ok(None),
        }
    }

    async fn with(
        core: &Arc<BoxCore>,
        locked: LockedBox,
        outcome: Option<ShimOutcome>,
    ) -> BoxliteResult<Self> {
        let LockedBox { lock, config, record, shim } = locked;
        let mut this = Self { core: Arc::clone(core), config, record, shim: None, lock };
        this.settle(shim, outcome).await?;
        Ok(this)
    }

    /// Brings the record in line with what exists. Afterwards the box is at rest, or runs.
    async fn settle(&mut self, shim: ShimStatus, outcome: Option<ShimOutcome>) -> BoxliteResult<()> {
        let shim = match shim {
            ShimStatus::Unidentified(_) => ShimStatus::settled(&self.paths().shim_lock()).await?,
            shim => shim,
        };
        let recorded = self.record.is_alive(&shim);
        let ended = match shim {
            ShimStatus::Alive(process) if recorded && self.record.state == BoxState::Running => {
                self.shim = Some(process);
                return Ok(());
            }
            ShimStatus::Alive(process) => {
                if recorded && self.record.state == BoxState::Stopping {
                    self.joined(process)?.stop(LATE_GRACE).await?;
                } else {
                    // A killed process has left it half made.
                    process.end(SHIM_EXIT).await?;
                }
                ShimStatus::settled(&self.paths().shim_lock()).await?
            }
            gone => gone,
        };
        if self.record.state.at_rest() {
            return Ok(());
        }
        let ran = self.record.state == BoxState::Running || self.record.state == BoxState::Stopping;
        let mut after = self.record.after(&ended, &self.config, self.paths(), outcome)?;
        if ran {
            after.exit = after.main_exit(self.paths()).await;
        }
        self.paths().remove_sockets();
        if after.state == BoxState::Failed {
            self.core.home.metrics.count(|counters| counters.boxes_failed += 1);
        }
        self.change_to(after).await?;
        self.ended(ran).await
    }

    /// Notes the end for those that wait, and removes the box if that was to go with its machine.
    async fn ended(&self, ended: bool) -> BoxliteResult<()> {
        if ended {
            self.core.note_end(BoxEnd::of(&self.record));
        }
        if ended && self.config.options.auto_remove {
            // Other processes see the machine's end before they see that the box is gone, and can't read its state any more.
            if self.record.state == BoxState::Stopped {
                report_request(&self.paths().shim_log(), "the box was removed with its end");
            }
            self.remove().await?;
            return Err(self.core.removed_error());
        }
        Ok(())
    }

    /// Changes the box's config, which no other process does meanwhile.
    pub(in crate::litebox) fn amend(&mut self, change: impl FnOnce(&mut BoxConfig)) -> BoxliteResult<()> {
        let mut config = self.config.clone();
        change(&mut config);
        config.save(self.paths())?;
        self.config = config;
        Ok(())
    }

    pub(in crate::litebox) fn state(&self) -> BoxState {
        self.record.state
    }

    /// The machine that runs, if one does: another process started it, or an earlier handle of this one.
    ///
    /// # Errors
    /// `INTERNAL` if the connection to it can't be configured; `HOST_LIMIT` if its end can't be watched.
    pub(in crate::litebox) fn join(&mut self) -> BoxliteResult<Option<Machine>> {
        self.shim.take().map(|process| self.joined(process)).transpose()
    }

    fn joined(&self, process: ShimProcess) -> BoxliteResult<Machine> {
        let record = self.record.machine.clone().ok_or_else(|| {
            let message = format!("join box `{}`: it has no machine", self.config.id);
            BoxliteError::new(ErrorCode::Internal, message)
        })?;
        let home = &self.core.home;
        Ok(Machine {
            shim: ShimController::join(process, &self.paths().shim_log())?,
            session: GuestSession::new(self.paths().portal().channel()?),
            record,
            watcher: GuestWatcher::new(&self.config.id, &home.events),
            network: self.config.network_watch(self.paths(), &home.events),
            handle: home.handle.clone(),
        })
    }

    pub(in crate::litebox) async fn starting(&mut self) -> BoxliteResult<()> {
        self.change_to(BoxRecord { state: BoxState::Starting, failure: None, ..self.record.clone() }).await
    }

    /// Without a record of it nobody else could find the machine.
    pub(in crate::litebox) async fn started(&mut self, machine: MachineRecord) -> BoxliteResult<()> {
        let machine = Some(machine);
        self.change_to(BoxRecord { state: BoxState::Running, failure: None, machine, exit: None }).await
    }

    pub(in crate::litebox) async fn failed(&mut self, error: &BoxliteError) {
        let failure = Some(error.to_string());
        self.try_change_to(BoxRecord { state: BoxState::Failed, failure, ..self.record.clone() }).await;
    }

    /// The start was given up, which is no failure: the box is as it was before.
    pub(in crate::litebox) async fn abandoned(&mut self) {
        self.end_leftovers().await;
        let state = self.config.rest();
        self.try_change_to(BoxRecord { state, failure: None, ..self.record.clone() }).await;
    }

    /// Ends whatever a start has started.
    pub(in crate::litebox) async fn end_leftovers(&self) {
        let lock = self.paths().shim_lock();
        let ended = async {
            if let ShimStatus::Alive(process) = ShimStatus::settled(&lock).await? {
                process.end(SHIM_EXIT).await?;
                // Its engine exits after it.
                ShimStatus::settled(&lock).await?;
            }
            BoxliteResult::Ok(())
        };
        if let Err(error) = ended.await {
            tracing::warn!(%error, "the machine of a start that was given up");
        }
        self.paths().remove_sockets();
    }

    pub(in crate::litebox) async fn stopping(&mut self) {
        self.try_change_to(BoxRecord { state: BoxState::Stopping, ..self.record.clone() }).await;
    }

    /// The machine was ended on request.
    pub(in crate::litebox) async fn stopped(&mut self) -> BoxliteResult<()> {
        self.paths().remove_sockets();
        let (machine, exit) = (self.record.machine.clone(), self.record.main_exit(self.paths()).await);
        self.try_change_to(BoxRecord { state: BoxState::Stopped, failure: None, machine, exit }).await;
        accept_removal(self.ended(true).await)
    }

    /// Removes everything of the box.
    pub(in crate::litebox) async fn remove(&self) -> BoxliteResult<()> {
        self.core.remove_folder(Some(Arc::clone(&self.lock)), &self.config, self.record.state).await
    }

    async fn try_change_to(&mut self, record: BoxRecord) {
        if let Err(error) = self.change_to(record).await {
            // The change was made all the same, and the locks show it to other processes.
            tracing::warn!(%error, "state of the box was not written");
        }
    }

    /// Every change of state comes through here.
    async fn change_to(&mut self, record: BoxRecord) -> BoxliteResult<()> {
        let (from, to) = (self.record.state, record.state);
        debug_assert!(from == to || from.next().contains(&to), "{from} is not followed by {to}");
        self.record = record;
        if from != to {
            transition_log::changed(&self.core.home.events, &self.config, from, &self.record);
        }
        self.core.save(self.record.clone(), self.lock()).await
    }

    /// The right to change the box, for what outlives its caller.
    pub(in crate::litebox) fn lock(&self) -> Arc<FileLock> {
        Arc::clone(&self.lock)
    }

    fn paths(&self) -> &BoxPaths {
        &self.core.paths
    }
}
