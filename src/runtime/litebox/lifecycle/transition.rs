//! `Transition`: the right to change a box. It holds the box's lock, so that of all threads and processes one at a time
//! starts, stops, amends or removes it, and begins with what is on disk, corrected for what killed processes left.
//! Made by `lifecycle` and by the sweep of a home.

use std::{sync::Arc, time::Duration};

use boxlite_error::{BoxliteError, BoxliteResult, ErrorCode};
use boxlite_portal::{GuestSession, MainExit};

use crate::{
    blocking::blocking,
    events::watcher::Observed,
    litebox::{
        core::BoxCore,
        lifecycle::{end::BoxEnd, machine::Machine, state::BoxState, transition_log},
    },
    shim::{
        controller::ShimController,
        outcome::{ShimOutcome, report_asked},
        process::{Presence, ShimProcess},
    },
    state::{
        journal::reader::Journal,
        json_file,
        layout::BoxPaths,
        lock::FileLock,
        record::{BoxConfig, BoxRecord, ConfigFile, MachineRecord},
    },
};

/// What processes get when a stop is completed whose process was killed.
const LATE_GRACE: Duration = Duration::from_secs(5);
/// How long a killed shim may take to be gone.
const DEATH: Duration = Duration::from_secs(5);

/// A box that this process alone may change, until this is dropped.
pub(crate) struct Transition {
    core: Arc<BoxCore>,
    pub(in crate::litebox) config: BoxConfig,
    record: BoxRecord,
    /// Shared with what goes on in threads that nobody can call back: the box is let go when all of that is done.
    lock: Arc<FileLock>,
}

impl Transition {
    /// Waits for its turn. `BOX_REMOVED` when the box is gone then, `BOX_BUSY` when its turn does not come.
    pub(crate) async fn begin(core: &Arc<BoxCore>) -> BoxliteResult<Self> {
        Self::begin_after(core, None).await
    }

    /// As [`begin`](Self::begin), by the parent of a shim that ended.
    pub(in crate::litebox) async fn begin_after(
        core: &Arc<BoxCore>,
        outcome: Option<ShimOutcome>,
    ) -> BoxliteResult<Self> {
        make_lock(core).await?;
        let lock = match FileLock::of_box(&core.paths.lock(), &core.id).await {
            Ok(lock) => lock,
            Err(error) => return Err(gone_or(core, error).await),
        };
        Self::with(core, lock, outcome).await
    }

    /// Begins if nobody is at it.
    pub(crate) async fn try_begin(core: &Arc<BoxCore>) -> BoxliteResult<Option<Self>> {
        match Self::lock_within(core, Duration::ZERO).await? {
            Some(lock) => Self::with(core, lock, None).await.map(Some),
            None => Ok(None),
        }
    }

    /// The box's lock alone, if its turn comes in time.
    pub(in crate::litebox) async fn lock_within(
        core: &Arc<BoxCore>,
        limit: Duration,
    ) -> BoxliteResult<Option<Arc<FileLock>>> {
        make_lock(core).await?;
        match FileLock::of_box_within(&core.paths.lock(), limit).await {
            Ok(lock) => Ok(lock),
            Err(error) => Err(gone_or(core, error).await),
        }
    }

    async fn with(
        core: &Arc<BoxCore>,
        lock: Arc<FileLock>,
        outcome: Option<ShimOutcome>,
    ) -> BoxliteResult<Self> {
        let (paths, held) = (core.paths.clone(), Arc::clone(&lock));
        let read = blocking("read a box", move || {
            let _held = held;
            let Some(ConfigFile { config, .. }) = ConfigFile::read(&paths)? else { return Ok(None) };
            json_file::sweep(paths.dir());
            let record = BoxRecord::read(&paths, &config);
            Ok(Some((config, record)))
        });
        let Some((config, record)) = read.await? else { return Err(core.removed_error()) };
        let mut this = Self { core: Arc::clone(core), config, record, lock };
        this.settle(outcome).await?;
        Ok(this)
    }

    /// Brings the record in line with what is there. Afterwards the box is at rest, or runs.
    async fn settle(&mut self, outcome: Option<ShimOutcome>) -> BoxliteResult<()> {
        let presence = Presence::settled(&self.paths().shim_lock()).await?;
        if self.record.is_alive(&presence) && self.record.state == BoxState::Running {
            return Ok(());
        }
        let stopping = self.record.is_alive(&presence) && self.record.state == BoxState::Stopping;
        match presence {
            Presence::Alive(process) if stopping => {
                let machine = self.joined(process)?;
                machine.stop(LATE_GRACE).await?;
            }
            // What a killed process half made.
            Presence::Alive(process) => process.end(DEATH).await?,
            Presence::Gone | Presence::Unseen(_) => {}
        }
        let gone = Presence::settled(&self.paths().shim_lock()).await?;
        if self.record.state.at_rest() {
            return Ok(());
        }
        let ended = self.record.state == BoxState::Running || self.record.state == BoxState::Stopping;
        let mut after = self.record.after(&gone, &self.config, self.paths(), outcome);
        if ended {
            after.exit = self.main_exit().await;
        }
        self.paths().remove_sockets();
        if after.state == BoxState::Failed {
            self.core.home.metrics.count_failed();
        }
        self.note(after).await?;
        self.ended(ended).await
    }

    /// How the main process of the machine that ended did, by the journal that it left.
    async fn main_exit(&self) -> Option<MainExit> {
        let since = self.record.machine.as_ref()?.started_at_unix_ns();
        Journal::of(self.paths()).exits(since).known().await
    }

    /// Tells those that wait, and removes the box if it was to live no longer than its machine.
    async fn ended(&self, ended: bool) -> BoxliteResult<()> {
        if ended {
            self.core.note_end(BoxEnd::of(&self.record));
        }
        if ended && self.config.options.auto_remove {
            // Others see the machine's end before they see that the box is gone, and no state of it any more.
            if self.record.state == BoxState::Stopped {
                report_asked(&self.paths().shim_log(), "the box was removed with its end");
            }
            self.remove().await?;
            return Err(self.core.removed_error());
        }
        Ok(())
    }

    pub(in crate::litebox) fn record(&self) -> &BoxRecord {
        &self.record
    }

    /// Changes what the box is. Nobody else does meanwhile.
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
    pub(in crate::litebox) async fn join(&self) -> BoxliteResult<Option<Machine>> {
        let lock = self.paths().shim_lock();
        match blocking("look for the machine of a box", move || Presence::of(&lock)).await? {
            Presence::Alive(process) if self.record.state == BoxState::Running => {
                self.joined(process).map(Some)
            }
            _ => Ok(None),
        }
    }

    fn joined(&self, process: ShimProcess) -> BoxliteResult<Machine> {
        let record = self.record.machine.clone().ok_or_else(|| {
            BoxliteError::new(
                ErrorCode::Internal,
                format!("join box `{}`: it has no machine", self.config.id),
            )
        })?;
        let session = GuestSession::new(self.paths().portal().channel()?);
        let observed = Observed::new(&self.config.id, &self.core.home.events);
        Ok(Machine {
            shim: ShimController::join(process, &self.paths().shim_log()),
            session,
            record,
            observed,
        })
    }

    pub(in crate::litebox) async fn starting(&mut self) -> BoxliteResult<()> {
        self.note(BoxRecord { state: BoxState::Starting, failure: None, ..self.record.clone() }).await
    }

    /// Without a record of it nobody else could find the machine.
    pub(in crate::litebox) async fn started(&mut self, machine: MachineRecord) -> BoxliteResult<()> {
        let machine = Some(machine);
        self.note(BoxRecord { state: BoxState::Running, failure: None, machine, exit: None }).await
    }

    pub(in crate::litebox) async fn failed(&mut self, error: &BoxliteError) {
        let failure = Some(error.to_string());
        self.note_if_possible(BoxRecord { state: BoxState::Failed, failure, ..self.record.clone() }).await;
    }

    /// The start was given up, which is no failure: the box is what it was.
    pub(in crate::litebox) async fn abandoned(&mut self) {
        self.end_leftovers().await;
        let state = self.config.rest();
        self.note_if_possible(BoxRecord { state, failure: None, ..self.record.clone() }).await;
    }

    /// Sees that what a start has started is gone.
    pub(in crate::litebox) async fn end_leftovers(&self) {
        match Presence::settled(&self.paths().shim_lock()).await {
            Ok(Presence::Alive(process)) => {
                if let Err(error) = process.end(DEATH).await {
                    tracing::warn!(%error, "the machine of a start that was given up");
                }
            }
            Ok(Presence::Gone | Presence::Unseen(_)) | Err(_) => {}
        }
        self.paths().remove_sockets();
    }

    pub(in crate::litebox) async fn stopping(&mut self) {
        self.note_if_possible(BoxRecord { state: BoxState::Stopping, ..self.record.clone() }).await;
    }

    /// The machine was ended as somebody asked.
    pub(in crate::litebox) async fn stopped(&mut self) -> BoxliteResult<()> {
        self.paths().remove_sockets();
        let (machine, exit) = (self.record.machine.clone(), self.main_exit().await);
        self.note_if_possible(BoxRecord { state: BoxState::Stopped, failure: None, machine, exit }).await;
        match self.ended(true).await {
            Err(error) if error.code() == ErrorCode::BoxRemoved => Ok(()),
            result => result,
        }
    }

    /// Removes everything of the box.
    pub(in crate::litebox) async fn remove(&self) -> BoxliteResult<()> {
        self.core.remove_folder(Some(Arc::clone(&self.lock)), &self.config, self.record.state).await
    }

    async fn note_if_possible(&mut self, record: BoxRecord) {
        if let Err(error) = self.note(record).await {
            // A state that can't be written is no reason to fail what was achieved: the locks tell as much.
            tracing::warn!(%error, "state of the box was not written");
        }
    }

    /// Every change of state comes through here.
    async fn note(&mut self, record: BoxRecord) -> BoxliteResult<()> {
        let (from, to) = (self.record.state, record.state);
        debug_assert!(from == to || from.next().contains(&to), "{from} is not followed by {to}");
        self.record = record;
        if from != to {
            transition_log::changed(&self.core.home.events, &self.config, from, &self.record);
        }
        let (paths, record, held) = (self.paths().clone(), self.record.clone(), self.lock());
        blocking("write the state of a box", move || {
            let _held = held;
            record.save(&paths)
        })
        .await
    }

    /// The right to change the box, for what outlives its caller.
    pub(in crate::litebox) fn lock(&self) -> Arc<FileLock> {
        Arc::clone(&self.lock)
    }

    fn paths(&self) -> &BoxPaths {
        &self.core.paths
    }
}

/// A box has its lock's file from the beginning; one that lost it gets another.
async fn make_lock(core: &Arc<BoxCore>) -> BoxliteResult<()> {
    let (paths, removed) = (core.paths.clone(), core.removed_error());
    blocking("look for the lock of a box", move || {
        if paths.lock().exists() {
            return Ok(());
        }
        if !paths.config().exists() {
            return Err(removed);
        }
        FileLock::make(&paths.lock())
    })
    .await
}

/// A box that was removed a moment ago has no file for its lock.
async fn gone_or(core: &Arc<BoxCore>, error: BoxliteError) -> BoxliteError {
    if core.check_exists().await.is_err() { core.removed_error() } else { error }
}
