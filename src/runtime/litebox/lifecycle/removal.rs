//! Removes a box. The orderly removal waits for the box's lock in a `Transition`. The removal by force is over within two seconds
//! whatever the guest, the shim, QEMU or another process does: it ends a start of this process, kills the machine and waits a moment
//! for the lock; a process that keeps the lock, frozen or busy with a large image, finds the box gone.

use std::{
    sync::{Arc, atomic::Ordering},
    time::Duration,
};

use boxlite_error::BoxliteResult;
use tokio::time::{Instant, sleep, timeout, timeout_at};

use crate::{
    blocking::blocking,
    litebox::{
        core::BoxCore,
        lifecycle::{
            box_folder,
            end::BoxEnd,
            local_state::LocalState,
            locked_box::LockedBox,
            start::Cut,
            state::{BoxState, Operation},
            transition::Transition,
            transition_log,
        },
    },
    shim::{outcome::report_request, process::ShimStatus},
    state::{config::BoxConfig, lock::FileLock, record::BoxRecord},
};

/// How long another change of the box may go on before its machine is killed in the middle of that.
const TURN: Duration = Duration::from_millis(300);
/// How long that change may take to release the box's lock afterwards.
const LOCK_RELEASE: Duration = Duration::from_millis(600);
/// How long a killed machine may take to be gone.
const MACHINE_EXIT: Duration = Duration::from_millis(800);
/// How long reading the exit of the main process from the journal may take.
const EXIT: Duration = Duration::from_millis(100);
/// The reason that other processes read.
const WHY: &str = "the box was removed by force";

impl BoxCore {
    /// Removes the box and everything of it. A running one needs `force` and is killed.
    pub(in crate::litebox) async fn remove(self: &Arc<Self>, force: bool) -> BoxliteResult<()> {
        if force {
            self.check_exists().await?;
            if let LocalState::Starting(start) = &*self.local() {
                start.handle.cut(Cut::Removed);
            }
            return Removal::begin(self).await?.complete().await;
        }
        Operation::Remove.check(&self.id, self.observed_state().await?.record.state)?;
        let transition = Transition::begin(self).await?;
        Operation::Remove.check(&self.id, transition.state())?;
        transition.remove().await
    }
}

/// A removal by force under way.
struct Removal {
    core: Arc<BoxCore>,
    config: BoxConfig,
    record: BoxRecord,
    /// `None` if another process keeps it.
    lock: Option<Arc<FileLock>>,
}

impl Removal {
    async fn begin(core: &Arc<BoxCore>) -> BoxliteResult<Self> {
        let mut locked = LockedBox::within(core, TURN).await?;
        if locked.is_none() {
            end_machine(core).await?;
            locked = LockedBox::within(core, LOCK_RELEASE).await?;
        }
        let (lock, config, record) = if let Some(LockedBox { lock, config, record, .. }) = locked {
            (Some(lock), config, record)
        } else {
            tracing::warn!(box_id = core.id, "the box is removed while another process is changing it");
            let unlocked = Arc::clone(core);
            let (config, record) = blocking("read a box", move || unlocked.read()).await?;
            (None, config, record)
        };
        Operation::RemoveByForce.check(&core.id, record.state)?;
        Ok(Self { core: Arc::clone(core), config, record, lock })
    }

    async fn complete(mut self) -> BoxliteResult<()> {
        let ran = matches!(self.record.state, BoxState::Running | BoxState::Stopping);
        if self.record.state == BoxState::Running {
            self.change_to(BoxState::Stopping).await;
        }
        end_machine(&self.core).await?;
        if ran {
            let exit = timeout(EXIT, self.record.main_exit(&self.core.paths)).await;
            self.record.exit = exit.ok().flatten();
            self.change_to(BoxState::Stopped).await;
            // Callers in this process that wait for the box get its end, and not the error that it is gone.
            self.core.note_end(BoxEnd::of(&self.record));
        }
        let Self { core, config, record, lock } = self;
        core.remove_folder(lock, &config, record.state).await
    }

    /// Logs a change of state, and writes it if this process has the lock. Without the lock another process owns the file, and no
    /// longer has a use for it.
    async fn change_to(&mut self, state: BoxState) {
        let from = self.record.state;
        self.record = BoxRecord { state, failure: None, ..self.record.clone() };
        transition_log::changed(&self.core.home.events, &self.config, from, &self.record);
        if let Some(lock) = self.lock.clone()
            && let Err(error) = self.core.save(self.record.clone(), lock).await
        {
            tracing::debug!(%error, "state of a box that is being removed was not written");
        }
    }
}

impl BoxCore {
    /// Removes everything of the box, whose state is `from`.
    pub(in crate::litebox) async fn remove_folder(
        &self,
        lock: Option<Arc<FileLock>>,
        config: &BoxConfig,
        from: BoxState,
    ) -> BoxliteResult<()> {
        // Logged here, and not by the task that watches the machine.
        self.removed_here.store(true, Ordering::Release);
        let paths = self.paths.clone();
        let removed = blocking("remove a box", move || {
            let _lock = lock;
            box_folder::delete(&paths)
        });
        if let Err(error) = removed.await {
            self.removed_here.store(false, Ordering::Release);
            return Err(error);
        }
        self.set_removed();
        transition_log::removed(&self.home.events, config, from);
        self.home.metrics.count(|counters| counters.boxes_destroyed += 1);
        Ok(())
    }
}

/// Kills the machine, whoever started it, and waits until nobody can write to its disk.
async fn end_machine(core: &Arc<BoxCore>) -> BoxliteResult<()> {
    let paths = &core.paths;
    let end = Instant::now() + MACHINE_EXIT;
    let mut reported = false;
    loop {
        let lock = paths.shim_lock();
        match blocking("look for the machine of a box", move || ShimStatus::of(&lock)).await? {
            ShimStatus::Absent => return Ok(()),
            ShimStatus::Alive(process) => {
                if !reported {
                    reported = true;
                    report_request(&paths.shim_log(), WHY);
                }
                process.end(end.saturating_duration_since(Instant::now())).await?;
            }
            ShimStatus::Unidentified(identity) if Instant::now() >= end => {
                return Err(ShimStatus::unidentified(identity));
            }
            // It is about to write its name, or its engine is about to exit after it.
            ShimStatus::Unidentified(_) => {
                let _ = timeout_at(end, sleep(Duration::from_millis(5))).await;
            }
        }
    }
}
