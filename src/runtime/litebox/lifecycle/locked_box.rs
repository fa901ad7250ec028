//! `LockedBox`: a box whose lock this process has just taken, with its files and the status of its shim as they are then. All of that is
//! read in one go on one thread. Taken by `transition` and `removal`.

use std::{sync::Arc, time::Duration};

use boxlite_error::BoxliteResult;

use crate::{
    litebox::core::BoxCore,
    shim::process::ShimStatus,
    state::{
        config::BoxConfig,
        json_file,
        lock::{self, FileLock, Mode},
        record::BoxRecord,
    },
};

/// What a process finds that has just taken the lock of a box.
pub(in crate::litebox) struct LockedBox {
    pub(in crate::litebox) lock: Arc<FileLock>,
    pub(in crate::litebox) config: BoxConfig,
    pub(in crate::litebox) record: BoxRecord,
    pub(in crate::litebox) shim: ShimStatus,
}

impl LockedBox {
    /// Waits for the lock.
    ///
    /// # Errors
    /// `BOX_REMOVED` if the box is gone by then; `BOX_BUSY` if another process keeps the lock; `STORAGE_IO` and its kin if the files
    /// can't be read.
    pub(in crate::litebox) async fn wait(core: &Arc<BoxCore>) -> BoxliteResult<Self> {
        lock::wait_for_box(&core.paths.lock(), &core.id, Self::attempt(core)).await
    }

    /// Takes the lock if it is free within `limit`; otherwise returns `None`.
    ///
    /// # Errors
    /// As [`wait`](Self::wait), without `BOX_BUSY`.
    pub(in crate::litebox) async fn within(
        core: &Arc<BoxCore>,
        limit: Duration,
    ) -> BoxliteResult<Option<Self>> {
        lock::poll(limit, Self::attempt(core)).await
    }

    fn attempt(core: &Arc<BoxCore>) -> impl Fn() -> BoxliteResult<Option<Self>> + Clone + Send + use<> {
        let core = Arc::clone(core);
        move || {
            let (paths, path) = (&core.paths, core.paths.lock());
            let exists = || paths.config().exists();
            // A box has its lock's file from the beginning; one that lost it gets another.
            if !path.exists() && exists() {
                FileLock::make(&path)?;
            }
            let lock = match FileLock::try_take(&path, Mode::Exclusive) {
                Ok(Some(lock)) => Arc::new(lock),
                Ok(None) => return Ok(None),
                // The lock's file goes with the box.
                Err(error) => return Err(if exists() { error } else { core.removed_error() }),
            };
            let (config, record) = core.read()?;
            json_file::sweep(paths.dir());
            let shim = ShimStatus::of(&paths.shim_lock())?;
            Ok(Some(Self { lock, config, record, shim }))
        }
    }
}
