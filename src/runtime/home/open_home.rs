//! `OpenHome`: what everything in an open home uses: paths, assets, the image cache, the event bus, counters, the engine, and
//! whether the home is still open. It knows no boxes. Made by the home registry; held by the runtime, by each box and by the pipeline.

use std::sync::{Arc, Mutex, PoisonError};

use boxlite_disk::ImageStorage;
use boxlite_error::{BoxliteError, BoxliteResult, ErrorCode};
use boxlite_images::{Holds, ImageManager, ImageOptions};
use tokio::{
    runtime::Handle,
    sync::{OnceCell, watch},
    task::JoinHandle,
};

use crate::{
    blocking::blocking,
    events::bus::EventBus,
    home::{home_options::HomeOptions, metrics::RuntimeMetrics},
    logging::{self, outlet::HomeLog},
    shim::engine::{self, Engine},
    state::{
        layout::FilesystemLayout,
        lock::{FileLock, Mode},
    },
};

/// A home that is open.
#[derive(Debug)]
pub(crate) struct OpenHome {
    pub(crate) layout: FilesystemLayout,
    pub(crate) options: HomeOptions,
    pub(crate) images: ImageManager,
    pub(crate) disks: Arc<ImageStorage>,
    pub(crate) leases: Holds,
    pub(crate) metrics: Arc<RuntimeMetrics>,
    pub(crate) events: Arc<EventBus>,
    log: Mutex<Option<HomeLog>>,
    chosen: OnceCell<Engine>,
    closed: watch::Sender<bool>,
    /// Where tasks of the home run, whichever thread starts them.
    pub(crate) handle: Handle,
}

impl OpenHome {
    /// Opens what is in a home whose folders are there. Blocking.
    ///
    /// # Errors
    /// `STORAGE_IO` and its kin if the image cache can't be opened.
    pub(crate) fn open(
        layout: FilesystemLayout,
        options: HomeOptions,
        handle: Handle,
    ) -> BoxliteResult<Self> {
        let mut image_options = ImageOptions::default();
        image_options.registries.clone_from(&options.registries);
        if !options.search.is_empty() {
            image_options.search.clone_from(&options.search);
        }
        let images = ImageManager::open(layout.images(), image_options)?;
        let disks = Arc::new(ImageStorage::open(layout.disks())?);
        let leases = Holds::open(&layout.disk_leases())?;
        let log = Mutex::new(logging::attach(&layout.logs()));
        tracing::info!(home = %layout.home().display(), version = env!("CARGO_PKG_VERSION"), "home opened");
        Ok(Self {
            layout,
            options,
            images,
            disks,
            leases,
            metrics: Arc::default(),
            events: Arc::default(),
            log,
            chosen: OnceCell::new(),
            closed: watch::Sender::new(false),
            handle,
        })
    }

    /// Begins to choose the engine in the background, since that runs a process. Called as soon as a start is likely.
    pub(crate) fn prepare_engine(self: &Arc<Self>) {
        if !self.chosen.initialized() {
            let this = Arc::clone(self);
            self.spawn(async move { this.engine().await });
        }
    }

    /// Runs `task` on the runtime that the home was opened on, so that it may be called on any thread.
    pub(crate) fn spawn<T: Send + 'static>(
        &self,
        task: impl Future<Output = T> + Send + 'static,
    ) -> JoinHandle<T> {
        self.handle.spawn(task)
    }

    /// Returns the engine that boxes run on. It is chosen once, unless that fails.
    ///
    /// # Errors
    /// `ENGINE_UNSUPPORTED` if none can run; `PART_MISSING` if the shim is missing or can't be executed.
    pub(crate) async fn engine(&self) -> BoxliteResult<Engine> {
        let (choice, assets) = (self.options.choice, self.options.assets.clone());
        let find = blocking("choose an engine", move || engine::choose(choice, &assets));
        self.chosen.get_or_try_init(|| find).await.copied()
    }

    /// Refuses work once the home is closed.
    ///
    /// # Errors
    /// `RUNTIME_CLOSED`.
    pub(crate) fn check_open(&self) -> BoxliteResult<()> {
        if *self.closed.borrow() { Err(self.closed_error()) } else { Ok(()) }
    }

    /// Returns the error for a use of a closed runtime.
    pub(crate) fn closed_error(&self) -> BoxliteError {
        let message = format!("use home `{}`: the runtime was closed", self.layout.home().display());
        BoxliteError::new(ErrorCode::RuntimeClosed, message)
    }

    /// Makes every later start fail. Returns `true` if the home was open before.
    pub(crate) fn begin_close(&self) -> bool {
        !self.closed.send_replace(true)
    }

    /// Ends the readers of events and flushes the log. Called after the last box was closed.
    pub(crate) async fn finish_close(&self) {
        tracing::info!(home = %self.layout.home().display(), "home closed");
        self.events.close();
        let log = self.log.lock().unwrap_or_else(PoisonError::into_inner).take();
        let _ = blocking("end the log", move || {
            drop(log);
            Ok(())
        })
        .await;
    }

    /// Waits until the home is closed.
    pub(crate) async fn closed(&self) {
        // `self` holds the sender, so this can't fail.
        let _ = self.closed.subscribe().wait_for(|closed| *closed).await;
    }

    /// Takes the home's lock, for a short step that concerns more than one box.
    ///
    /// # Errors
    /// `HOME_LOCKED` if another process keeps it.
    pub(crate) async fn lock(&self, mode: Mode) -> BoxliteResult<FileLock> {
        FileLock::of_home(&self.layout.lock(), mode).await
    }
}
