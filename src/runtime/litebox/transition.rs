//! `Transition`: the right to change a box. It holds the box's lock, so that of all threads and processes one at a time
//! starts, stops, amends or removes it, and begins with what is on disk, corrected for what killed processes left.
//! Made by `lifecycle` and by the sweep of a home.

use std::{fs, io, time::Duration};

use super::{
    BoxConfig, BoxEnd, BoxRecord, BoxState, LiteBox, Machine, MachineRecord, record::ConfigFile, story,
};
use crate::{
    BoxliteError, BoxliteResult, ErrorCode, MainExit,
    event::Observed,
    journal::Journal,
    json_file,
    layout::BoxPaths,
    lock::FileLock,
    portal::{Connection, GuestSession},
    shim::{Presence, ShimController, ShimOutcome, ShimProcess},
};

/// What processes get when a stop is completed whose process was killed.
const LATE_GRACE: Duration = Duration::from_secs(5);

/// A box that this process alone may change, until this is dropped.
pub(crate) struct Transition {
    litebox: LiteBox,
    pub(super) config: BoxConfig,
    record: BoxRecord,
    _lock: FileLock,
}

impl Transition {
    /// Waits for its turn. `BOX_REMOVED` when the box is gone then, `BOX_BUSY` when its turn does not come.
    pub(crate) async fn begin(litebox: &LiteBox) -> BoxliteResult<Self> {
        Self::begin_after(litebox, None).await
    }

    /// As [`begin`](Self::begin), by the parent of a shim that ended.
    pub(super) async fn begin_after(litebox: &LiteBox, outcome: Option<ShimOutcome>) -> BoxliteResult<Self> {
        make_lock(litebox)?;
        let lock = FileLock::of_box(&litebox.inner.paths.lock(), &litebox.inner.id).await;
        Self::with(litebox, lock.map_err(|error| gone_or(litebox, error))?, outcome).await
    }

    /// Begins if nobody is at it.
    pub(crate) async fn try_begin(litebox: &LiteBox) -> BoxliteResult<Option<Self>> {
        make_lock(litebox)?;
        let lock = FileLock::try_of_box(&litebox.inner.paths.lock());
        match lock.map_err(|error| gone_or(litebox, error))? {
            Some(lock) => Self::with(litebox, lock, None).await.map(Some),
            None => Ok(None),
        }
    }

    async fn with(litebox: &LiteBox, lock: FileLock, outcome: Option<ShimOutcome>) -> BoxliteResult<Self> {
        let paths = &litebox.inner.paths;
        let Some(ConfigFile { config, .. }) = ConfigFile::read(paths)? else { return Err(litebox.removed()) };
        json_file::sweep(paths.dir());
        let record = BoxRecord::read(paths, &config);
        let mut this = Self { litebox: litebox.clone(), config, record, _lock: lock };
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
            Presence::Alive(process) => {
                process.kill();
                process.ended().await.map_err(|error| self.unwatchable(error))?;
            }
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
            self.litebox.inner.shared.metrics.count_failed();
        }
        self.note(after)?;
        self.ended(ended)
    }

    /// How the main process of the machine that ended did, by the journal that it left.
    async fn main_exit(&self) -> Option<MainExit> {
        let since = self.record.machine.as_ref()?.started_at_unix_ns();
        Journal::of(self.paths()).exits(since).known().await
    }

    /// Tells those that wait, and removes the box if it was to live no longer than its machine.
    fn ended(&self, ended: bool) -> BoxliteResult<()> {
        if ended {
            self.litebox.inner.note_end(BoxEnd::of(&self.record));
        }
        if ended && self.config.options.auto_remove {
            self.remove()?;
            return Err(self.litebox.removed());
        }
        Ok(())
    }

    pub(super) fn record(&self) -> &BoxRecord {
        &self.record
    }

    /// Changes what the box is. Nobody else does meanwhile.
    pub(super) fn amend(&mut self, change: impl FnOnce(&mut BoxConfig)) -> BoxliteResult<()> {
        let mut config = self.config.clone();
        change(&mut config);
        config.save(self.paths())?;
        self.config = config;
        Ok(())
    }

    pub(super) fn state(&self) -> BoxState {
        self.record.state
    }

    /// The machine that runs, if one does: another process started it, or an earlier handle of this one.
    pub(super) fn join(&self) -> BoxliteResult<Option<Machine>> {
        match Presence::of(&self.paths().shim_lock())? {
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
        let session = GuestSession::new(Connection::lazy(self.paths().portal())?);
        let observed = Observed::new(&self.config.id, &self.litebox.inner.shared.events);
        Ok(Machine {
            shim: ShimController::join(process, &self.paths().shim_log()),
            session,
            record,
            observed,
        })
    }

    pub(super) fn starting(&mut self) -> BoxliteResult<()> {
        self.note(BoxRecord { state: BoxState::Starting, failure: None, ..self.record.clone() })
    }

    /// Without a record of it nobody else could find the machine.
    pub(super) fn started(&mut self, machine: MachineRecord) -> BoxliteResult<()> {
        let machine = Some(machine);
        self.note(BoxRecord { state: BoxState::Running, failure: None, machine, exit: None })
    }

    pub(super) fn failed(&mut self, error: &BoxliteError) {
        let failure = Some(error.to_string());
        self.note_if_possible(BoxRecord { state: BoxState::Failed, failure, ..self.record.clone() });
    }

    pub(super) fn stopping(&mut self) {
        self.note_if_possible(BoxRecord { state: BoxState::Stopping, ..self.record.clone() });
    }

    /// The machine was ended as somebody asked.
    pub(super) async fn stopped(&mut self) -> BoxliteResult<()> {
        self.paths().remove_sockets();
        let (machine, exit) = (self.record.machine.clone(), self.main_exit().await);
        self.note_if_possible(BoxRecord { state: BoxState::Stopped, failure: None, machine, exit });
        match self.ended(true) {
            Err(error) if error.code() == ErrorCode::BoxRemoved => Ok(()),
            result => result,
        }
    }

    /// Removes everything of the box. First what makes it one, so that a half removed box is none.
    pub(super) fn remove(&self) -> BoxliteResult<()> {
        let paths = self.paths();
        paths.remove_sockets();
        let remove = || {
            fs::remove_file(paths.config())?;
            fs::remove_dir_all(paths.dir())
        };
        match remove() {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                return Err(BoxliteError::io("remove box", paths.dir(), error));
            }
            _ => {}
        }
        story::removed(&self.litebox.inner.shared.events, &self.config, self.record.state);
        self.litebox.inner.shared.metrics.count_destroyed();
        self.litebox.inner.shared.boxes.forget(&self.config.id);
        Ok(())
    }

    fn note_if_possible(&mut self, record: BoxRecord) {
        if let Err(error) = self.note(record) {
            // A state that can't be written is no reason to fail what was achieved: the locks tell as much.
            tracing::warn!(%error, "state of the box was not written");
        }
    }

    /// Every change of state comes through here.
    fn note(&mut self, record: BoxRecord) -> BoxliteResult<()> {
        let (from, to) = (self.record.state, record.state);
        debug_assert!(from == to || from.next().contains(&to), "{from} is not followed by {to}");
        self.record = record;
        if from != to {
            story::moved(&self.litebox.inner.shared.events, &self.config, from, &self.record);
        }
        self.record.save(self.paths())
    }

    fn paths(&self) -> &BoxPaths {
        &self.litebox.inner.paths
    }

    fn unwatchable(&self, error: io::Error) -> BoxliteError {
        BoxliteError::new(ErrorCode::Internal, format!("watch the shim of box `{}`", self.config.id))
            .caused_by(error)
    }
}

/// A box has its lock's file from the beginning; one that lost it gets another.
fn make_lock(litebox: &LiteBox) -> BoxliteResult<()> {
    let paths = &litebox.inner.paths;
    if paths.lock().exists() {
        return Ok(());
    }
    check_exists(litebox)?;
    FileLock::make(&paths.lock())
}

fn check_exists(litebox: &LiteBox) -> BoxliteResult<()> {
    if litebox.inner.paths.config().exists() { Ok(()) } else { Err(litebox.removed()) }
}

/// A box that was removed a moment ago has no file for its lock.
fn gone_or(litebox: &LiteBox, error: BoxliteError) -> BoxliteError {
    if check_exists(litebox).is_err() { litebox.removed() } else { error }
}
