//! Removes a box. The orderly removal waits for the box's lock in a `Transition`. The removal by force is over within two seconds
//! whatever the guest, the shim, QEMU or another process does: it ends a start of this process, kills the machine and waits a moment
//! for the lock; a process that keeps the lock, frozen or busy with a large image, finds the box gone. Only a kernel that takes longer to end
//! what was killed is waited for longer.

use std::{
    path::Path,
    sync::{Arc, atomic::Ordering},
    time::Duration,
};

use boxlite_error::BoxliteResult;
use tokio::time::{Instant, sleep, timeout};

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
/// How long a killed machine may take to be gone, and a shim to write its name. On a busy host the kernel takes a second for what is a matter of
/// milliseconds elsewhere.
const MACHINE_EXIT: Duration = Duration::from_secs(5);
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
            end_machine(&core.paths.shim_lock(), &core.paths.shim_log()).await?;
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
        end_machine(&self.core.paths.shim_lock(), &self.core.paths.shim_log()).await?;
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

/// Kills the machine behind the shim's `lock`, whoever started it, and waits until nobody can write to its disk. The shim's `log` then says why.
///
/// # Errors
/// `BOX_STATE` if what was killed is still there after [`MACHINE_EXIT`], or if the lock's holder can't be seen from here.
async fn end_machine(lock: &Path, log: &Path) -> BoxliteResult<()> {
    let end = Instant::now() + MACHINE_EXIT;
    let mut killed = None;
    loop {
        let path = lock.to_owned();
        match blocking("look for the machine of a box", move || ShimStatus::of(&path)).await? {
            ShimStatus::Absent => return Ok(()),
            ShimStatus::Alive(process) => {
                if killed.replace(process.identity).is_none() {
                    report_request(log, WHY);
                }
                process.end(end.saturating_duration_since(Instant::now())).await?;
            }
            // It is about to write its name, or its engine, which has the lock too, is about to exit after it.
            ShimStatus::Unidentified(_) if Instant::now() < end => sleep(Duration::from_millis(5)).await,
            ShimStatus::Unidentified(identity) if identity.is_some() && identity == killed => {
                return Err(ShimStatus::engine_not_ended(identity));
            }
            ShimStatus::Unidentified(identity) => return Err(ShimStatus::unidentified(identity)),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::{
        fs::{self, File},
        process::{Child, Command, Stdio},
    };

    use super::*;
    use crate::{shim::process::identity_of, state::lock::is_held};

    /// The files of a box in `folder`: its shim's lock and log.
    fn files(folder: &Path) -> (std::path::PathBuf, std::path::PathBuf) {
        let (lock, log) = (folder.join("shim.lock"), folder.join("shim.log"));
        fs::write(&lock, "").unwrap();
        fs::write(&log, "").unwrap();
        (lock, log)
    }

    /// A process that has the lock, as an engine inherits it from its shim, for so many seconds.
    fn holder(lock: &Path, seconds: &str) -> Child {
        let file = File::open(lock).unwrap();
        file.lock().unwrap();
        Command::new("sleep").arg(seconds).stdin(Stdio::from(file)).spawn().unwrap()
    }

    #[tokio::test]
    async fn an_engine_that_ends_long_after_its_killed_shim_is_waited_for() {
        let folder = tempfile::tempdir().unwrap();
        let (lock, log) = files(folder.path());
        let mut engine = holder(&lock, "1.5");
        let mut shim = Command::new("sleep").arg("60").spawn().unwrap();
        fs::write(&lock, format!("{}\n", identity_of(shim.id()).unwrap().unwrap())).unwrap();
        let began = Instant::now();
        end_machine(&lock, &log).await.unwrap();
        assert!(began.elapsed() > Duration::from_secs(1), "{:?}", began.elapsed());
        assert!(!is_held(&lock).unwrap());
        assert!(!shim.wait().unwrap().success());
        assert!(fs::read_to_string(&log).unwrap().contains(WHY));
        engine.wait().unwrap();
    }

    #[tokio::test]
    async fn a_shim_that_is_slow_to_write_its_name_is_waited_for() {
        let folder = tempfile::tempdir().unwrap();
        let (lock, log) = files(folder.path());
        let mut shim = holder(&lock, "60");
        let (path, identity) = (lock.clone(), identity_of(shim.id()).unwrap().unwrap());
        let named = tokio::spawn(async move {
            sleep(Duration::from_millis(1200)).await;
            fs::write(path, format!("{identity}\n")).unwrap();
        });
        end_machine(&lock, &log).await.unwrap();
        named.await.unwrap();
        assert!(!shim.wait().unwrap().success());
    }
}
