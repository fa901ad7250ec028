//! `BoxliteRuntime`: the entry point. Opens a home, makes and finds boxes, and closes what it opened.

pub(crate) mod box_manager;
pub(crate) mod filter;
pub(crate) mod get_or_create;
pub(crate) mod home_registry;
mod prometheus;
pub(crate) mod sweep;

use std::{
    path::PathBuf,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use boxlite_error::{BoxliteError, BoxliteResult, ErrorCode};
use futures::future::join_all;
use tokio::{runtime::Handle, time::timeout};

use crate::{
    blocking::blocking,
    doctor::{self, DoctorReport},
    events::bus::EventStream,
    home::{metrics::RuntimeMetricsSnapshot, open_home::OpenHome, unreadable},
    in_context::in_context,
    litebox::{handle::LiteBox, observation::info::BoxInfo},
    options::{box_options::BoxOptions, runtime_options::RuntimeOptions, supervision::check_end},
    runtime::box_manager::BoxManager,
    state::{clock::now_ms, config::BoxConfig, id},
};

/// How long a runtime takes to close at most.
const CLOSE: Duration = Duration::from_secs(10);
/// How much of it is for machines, after their processes have ended.
const POWER_OFF: Duration = Duration::from_secs(3);

/// An open home. Opening the same home again in this process gives another handle to the same one; the last that
/// closes ends its boxes.
#[derive(Debug)]
pub struct BoxliteRuntime {
    boxes: Arc<BoxManager>,
    pub(crate) home: Arc<OpenHome>,
    closed: AtomicBool,
}

impl BoxliteRuntime {
    /// Opens a home, and makes it if there is none.
    ///
    /// # Errors
    /// `INVALID_ARGUMENT` if there is no tokio runtime or this process has the home open with other options, `HOME_LOCKED` if
    /// another process keeps the list of boxes locked, `STORAGE_IO` if it can't be written.
    pub async fn open(options: RuntimeOptions) -> BoxliteResult<Arc<Self>> {
        let handle = tokio_of(&options, "open the runtime")?;
        in_context(&handle.clone(), async move {
            let boxes = blocking("open the runtime", move || home_registry::open(options, handle)).await?;
            if let Err(error) = boxes.sweep().await {
                home_registry::close_handle(&boxes);
                return Err(error);
            }
            let home = Arc::clone(&boxes.home);
            Ok(Arc::new(Self { boxes, home, closed: AtomicBool::new(false) }))
        })
        .await
    }

    /// The home's path, absolute and free of symlinks.
    pub fn home(&self) -> PathBuf {
        self.home.layout.home().to_owned()
    }

    /// Makes a box. That costs two small files: the machine starts at its first use.
    ///
    /// # Errors
    /// `INVALID_ARGUMENT`; `BOX_NAME_TAKEN`; `RUNTIME_CLOSED`; `HOME_LOCKED` if another process keeps the list of boxes locked;
    /// `STORAGE_IO` and its kin if the files can't be written.
    pub async fn create(&self, options: BoxOptions) -> BoxliteResult<LiteBox> {
        self.check_open()?;
        options.check()?;
        check_end(options.supervision.ends_at_ms, now_ms())?;
        let config = BoxConfig::new(id::random()?, now_ms(), options);
        config.check_size()?;
        self.home.prepare_engine();
        let core = self.enter(self.boxes.create(config)).await?;
        self.home.metrics.count(|counters| counters.boxes_created += 1);
        Ok(LiteBox::new(core))
    }

    /// The box of this id, or else of this name.
    ///
    /// # Errors
    /// `BOX_NOT_FOUND`; `RUNTIME_CLOSED`; `STORAGE_CORRUPT`, `STORAGE_IO` or `HOME_INCOMPATIBLE` if its files can't be read.
    pub async fn get(&self, id_or_name: &str) -> BoxliteResult<LiteBox> {
        let (boxes, id_or_name) = (Arc::clone(&self.boxes), id_or_name.to_owned());
        let find = blocking("find a box", move || boxes.find(&id_or_name));
        self.enter(find).await.map(LiteBox::new)
    }

    /// Every box of the home, oldest first, then those whose files can't be read, as failed ones.
    ///
    /// # Errors
    /// `RUNTIME_CLOSED`; `STORAGE_IO` if the boxes can't be listed.
    pub async fn list(&self) -> BoxliteResult<Vec<BoxInfo>> {
        let boxes = Arc::clone(&self.boxes);
        let list = blocking("list the boxes", move || {
            let (readable, unreadable) = boxes.all()?;
            let infos = readable.into_iter().filter_map(|core| match core.info() {
                // One that is being removed at this moment is none.
                Err(error) if error.code() == ErrorCode::BoxRemoved => None,
                // Damaged at this moment.
                Err(error) => Some(unreadable::info(&boxes.home.layout, core.id(), &error)),
                Ok(info) => Some(info),
            });
            Ok(infos.chain(unreadable).collect())
        });
        self.enter(list).await
    }

    /// Removes a box with everything of it. A running one needs `force`.
    ///
    /// # Errors
    /// `BOX_NOT_FOUND`; `BOX_STATE` if it runs and `force` is `false`, or if its machine can't be ended; `BOX_BUSY` if another
    /// process keeps changing it; `STORAGE_IO`; `RUNTIME_CLOSED`.
    pub async fn remove(&self, id_or_name: &str, force: bool) -> BoxliteResult<()> {
        match self.get(id_or_name).await {
            Err(error) if force && unreadable::is_reported_by(&error) => {
                self.enter(self.boxes.remove_unreadable(id_or_name)).await
            }
            found => found?.remove(force).await,
        }
    }

    /// Counters since the home was opened, and of networks as they were last read.
    pub fn metrics(&self) -> RuntimeMetricsSnapshot {
        self.home.metrics.snapshot()
    }

    /// The same, after the networks of all boxes that this process uses have been read once more. A network that can't be read keeps what
    /// was read last.
    pub async fn sample_metrics(&self) -> RuntimeMetricsSnapshot {
        let networks =
            join_all(self.boxes.used().into_iter().map(|core| async move { core.network_usage().await }));
        drop(in_context(&self.home.handle, networks).await);
        self.metrics()
    }

    /// What happens to boxes and images from now on, as far as this process has a part in it.
    ///
    /// # Errors
    /// `RUNTIME_CLOSED`.
    pub fn events(&self) -> BoxliteResult<EventStream> {
        self.check_open()?;
        let stream = self.home.events.read(None);
        for core in self.boxes.used() {
            core.observe_held();
        }
        Ok(stream)
    }

    /// Ends the attached boxes that this process started, side by side, and kills those that have not ended `within` that time
    /// (default 10 s). Detached boxes and those of other processes go on. Closing twice is no error.
    ///
    /// # Errors
    /// The first error of a box that could not be ended.
    pub async fn close(&self, within: Option<Duration>) -> BoxliteResult<()> {
        if self.closed.swap(true, Ordering::AcqRel) || !home_registry::close_handle(&self.boxes) {
            return Ok(());
        }
        let within = within.unwrap_or(CLOSE);
        // What is left of the time is for file systems.
        let grace = (within / 2).max(within.saturating_sub(POWER_OFF));
        let ours = self.boxes.used().into_iter().filter(|core| core.is_ours());
        let ended = join_all(ours.map(|core| async move {
            if let Ok(result) = timeout(within, core.shutdown(grace)).await {
                return result;
            }
            core.force_kill().await;
            Ok(())
        }));
        let results = in_context(&self.home.handle, ended).await;
        self.boxes.clear();
        in_context(&self.home.handle, self.home.finish_close()).await;
        results.into_iter().collect()
    }

    /// What this machine can do, and what would help. Never fails: what can't be found out is part of the answer.
    pub async fn doctor(options: RuntimeOptions) -> DoctorReport {
        let what = "examine this machine";
        let examined = async {
            let handle = tokio_of(&options, what)?;
            in_context(&handle, blocking(what, move || Ok(doctor::examine(options)))).await
        };
        let broken = |error| DoctorReport::broken(&format!("the examination itself failed: {error}"));
        examined.await.unwrap_or_else(broken)
    }

    /// Does `work` unless the runtime is closed, on whichever executor its caller runs.
    ///
    /// # Errors
    /// `RUNTIME_CLOSED`; those of `work`.
    pub(crate) async fn enter<T>(&self, work: impl Future<Output = BoxliteResult<T>>) -> BoxliteResult<T> {
        self.check_open()?;
        in_context(&self.home.handle, work).await
    }

    pub(crate) fn check_open(&self) -> BoxliteResult<()> {
        if self.closed.load(Ordering::Acquire) {
            Err(self.home.closed_error())
        } else {
            self.home.check_open()
        }
    }
}

/// The tokio runtime that the options name, else the one that the caller runs on.
fn tokio_of(options: &RuntimeOptions, operation: &str) -> BoxliteResult<Handle> {
    options.tokio.clone().or_else(|| Handle::try_current().ok()).ok_or_else(|| {
        BoxliteError::invalid(format!("{operation}: there is no tokio runtime")).hint(
            "await it on a tokio runtime with its I/O and time drivers enabled, or name one in the options",
        )
    })
}

impl Drop for BoxliteRuntime {
    fn drop(&mut self) {
        if !self.closed.swap(true, Ordering::AcqRel) {
            home_registry::drop_handle(&self.boxes);
        }
    }
}

#[cfg(test)]
mod tests {
    use crate::{BoxUpdate, CollectOptions, ExecOptions, LogOptions};

    use super::*;

    #[test]
    fn a_home_is_not_opened_without_a_tokio_runtime() {
        let error = futures::executor::block_on(BoxliteRuntime::open(RuntimeOptions::default())).unwrap_err();
        assert_eq!(error.code(), ErrorCode::InvalidArgument);
        assert!(error.to_string().contains("tokio"), "{error}");
        let report = futures::executor::block_on(BoxliteRuntime::doctor(RuntimeOptions::default()));
        assert!(!report.ok && serde_json::to_string(&report).unwrap().contains("tokio"), "{report:?}");
    }

    #[test]
    fn a_thread_without_tokio_may_await_every_call() {
        let tokio =
            tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
        let home = tempfile::tempdir().unwrap();
        let options = RuntimeOptions {
            home: Some(home.path().to_owned()),
            tokio: Some(tokio.handle().clone()),
            ..RuntimeOptions::default()
        };
        futures::executor::block_on(async {
            let runtime = BoxliteRuntime::open(options).await.unwrap();
            let named = BoxOptions { name: Some("a".to_owned()), ..BoxOptions::new("none") };
            let litebox = runtime.get_or_create(named).await.unwrap();
            assert_eq!(runtime.list().await.unwrap(), [litebox.info().await.unwrap()]);
            // Nothing to start it with is here.
            litebox.exec(ExecOptions::new("true", [""; 0]), CollectOptions::default()).await.unwrap_err();
            litebox.files().read_dir("/", false).await.unwrap_err();
            assert_eq!(litebox.executions().await.unwrap(), []);
            assert!(litebox.metrics().await.unwrap().guest.is_none());
            assert!(litebox.logs(LogOptions::default()).await.unwrap().next().await.unwrap().is_none());
            litebox.update(BoxUpdate { cpus: Some(2), ..BoxUpdate::default() }).await.unwrap();
            litebox.stop(None).await.unwrap();
            litebox.wait().await.unwrap();
            assert!(runtime.prometheus().await.unwrap().contains("boxlite"));
            assert_eq!(runtime.images().await.unwrap(), []);
            assert_eq!(runtime.prune_images(Duration::ZERO).await.unwrap().images, [""; 0]);
            runtime.image_usage().await.unwrap();
            runtime.inspect_image("none").await.unwrap_err();
            assert!(!runtime.remove_image("none").await.unwrap());
            runtime.load_images("/nowhere".into()).await.unwrap_err();
            runtime.remove("a", true).await.unwrap();
            runtime.close(None).await.unwrap();
        });
    }
}
