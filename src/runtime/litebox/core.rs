//! `BoxCore`: a box as this process knows it: its folder, its home, its config as last read, and what this process is doing with it.
//! Executions, files, observation and lifecycle act on it; `LiteBox`, the public handle, stands above them all. Made by the box
//! manager, once for each box.

use std::sync::{
    Arc, Mutex, MutexGuard, PoisonError,
    atomic::{AtomicBool, Ordering},
};

use boxlite_error::{BoxliteError, BoxliteResult, ErrorCode};

use crate::{
    blocking::blocking,
    home::open_home::OpenHome,
    litebox::{
        files::pending_watches::PendingWatches,
        lifecycle::{end::BoxEnd, local_state::LocalState, observed_state::ObservedState, state::BoxState},
    },
    state::{
        config::{BoxConfig, ConfigFile},
        json_file,
        layout::BoxPaths,
        lock::FileLock,
        record::BoxRecord,
    },
};

/// One box. Everybody in this process who uses the box shares this.
#[derive(Debug)]
pub(crate) struct BoxCore {
    pub(in crate::litebox) id: String,
    pub(in crate::litebox) paths: BoxPaths,
    pub(in crate::litebox) home: Arc<OpenHome>,
    config: Mutex<ConfigFile>,
    /// Locked for moments only, never over an await.
    local: Mutex<LocalState>,
    /// The last end of a machine that this process saw. It is known also if the box was removed with that machine.
    end: Mutex<Option<BoxEnd>>,
    pub(in crate::litebox) watches: PendingWatches,
    /// Whether this process removes the box, and so logs that.
    pub(in crate::litebox) removed_here: AtomicBool,
    /// Whether the box was found to be gone.
    removed: AtomicBool,
}

impl BoxCore {
    /// The box in the folder of this id. Returns `None` if there is none. Blocking.
    ///
    /// # Errors
    /// `STORAGE_CORRUPT`, `STORAGE_IO` or `HOME_INCOMPATIBLE` if its config can't be read.
    pub(crate) fn open(home: &Arc<OpenHome>, id: &str) -> BoxliteResult<Option<Self>> {
        let paths = home.layout.of_box(id);
        let Some(config) = ConfigFile::read(&paths)? else { return Ok(None) };
        Ok(Some(Self {
            id: id.to_owned(),
            paths,
            home: Arc::clone(home),
            config: Mutex::new(config),
            local: Mutex::default(),
            end: Mutex::default(),
            watches: PendingWatches::default(),
            removed_here: AtomicBool::new(false),
            removed: AtomicBool::new(false),
        }))
    }

    /// Reads what other processes changed. Returns `false` if the box is gone. Blocking.
    pub(crate) fn refresh(&self) -> BoxliteResult<bool> {
        let exists = self.config.lock().unwrap_or_else(PoisonError::into_inner).refresh(&self.paths)?;
        self.removed.fetch_or(!exists, Ordering::AcqRel);
        Ok(exists)
    }

    /// Reads the box's config as it is now. Blocking.
    ///
    /// # Errors
    /// `BOX_REMOVED`; `STORAGE_IO` and its kin if the config can't be read.
    pub(in crate::litebox) fn reread(&self) -> BoxliteResult<BoxConfig> {
        if self.refresh()? { Ok(self.config()) } else { Err(self.removed_error()) }
    }

    /// Reads the box's config and record as they are now. Blocking.
    ///
    /// # Errors
    /// `BOX_REMOVED`; `STORAGE_IO` and its kin if the config can't be read; `HOST_LIMIT`.
    pub(in crate::litebox) fn read(&self) -> BoxliteResult<(BoxConfig, BoxRecord)> {
        let config = self.reread()?;
        let record = BoxRecord::read(&self.paths, config.rest())?;
        Ok((config, record))
    }

    /// Whether the box was found to be gone. A box that is gone does not come back.
    pub(crate) fn is_removed(&self) -> bool {
        self.removed.load(Ordering::Acquire)
    }

    pub(in crate::litebox) fn set_removed(&self) {
        self.removed.store(true, Ordering::Release);
    }

    /// The box's id.
    pub(crate) fn id(&self) -> &str {
        &self.id
    }

    /// The box's config as it was last read.
    pub(crate) fn config(&self) -> BoxConfig {
        self.config.lock().unwrap_or_else(PoisonError::into_inner).config.clone()
    }

    /// What this process is doing with the box.
    pub(in crate::litebox) fn local(&self) -> MutexGuard<'_, LocalState> {
        self.local.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(in crate::litebox) fn note_end(&self, end: BoxEnd) {
        *self.end.lock().unwrap_or_else(PoisonError::into_inner) = Some(end);
    }

    pub(in crate::litebox) fn last_end(&self) -> Option<BoxEnd> {
        self.end.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// The box's state now, whichever process changes it.
    pub(in crate::litebox) async fn observed_state(self: &Arc<Self>) -> BoxliteResult<ObservedState> {
        let this = Arc::clone(self);
        blocking("look at a box", move || this.observe_state()).await
    }

    /// The same for those who may block.
    pub(in crate::litebox) fn observe_state(&self) -> BoxliteResult<ObservedState> {
        ObservedState::of(&self.paths, &self.config())
    }

    /// Whether a killed process left something of the box. Blocking.
    pub(crate) fn has_leftovers(&self) -> bool {
        let ended = |state| matches!(state, BoxState::Stopped | BoxState::Failed);
        json_file::drafts(self.paths.dir()).next().is_some()
            || self.observe_state().is_ok_and(|observed| {
                observed.stale || (self.config().options.auto_remove && ended(observed.record.state))
            })
    }

    /// # Errors
    /// `BOX_REMOVED` if there is no such box any more.
    pub(in crate::litebox) async fn check_exists(&self) -> BoxliteResult<()> {
        let config = self.paths.config();
        let exists = blocking("look for a box", move || Ok(config.exists())).await?;
        if exists { Ok(()) } else { Err(self.removed_error()) }
    }

    /// The error of whoever uses a box that is gone.
    pub(in crate::litebox) fn removed_error(&self) -> BoxliteError {
        BoxliteError::new(ErrorCode::BoxRemoved, format!("use box `{}`: it was removed", self.id))
    }

    /// Writes a new state of the box, whose lock is held until that is done.
    pub(in crate::litebox) async fn save(&self, record: BoxRecord, lock: Arc<FileLock>) -> BoxliteResult<()> {
        let paths = self.paths.clone();
        blocking("write the state of a box", move || {
            let _lock = lock;
            record.save(&paths)
        })
        .await
    }
}

/// A box that was to be removed with its machine is gone after its end, which is no failure.
pub(in crate::litebox) fn accept_removal(result: BoxliteResult<()>) -> BoxliteResult<()> {
    result.or_else(|error| (error.code() == ErrorCode::BoxRemoved).then_some(()).ok_or(error))
}
