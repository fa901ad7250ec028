//! What every box of a runtime shares. Made when the runtime opens; held by the runtime, its boxes and the pipeline.

use std::{
    path::PathBuf,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use boxlite_disk::ImageStorage;
use boxlite_error::{BoxliteError, BoxliteResult, ErrorCode};
use boxlite_images::{Holds, ImageManager};
use tokio::sync::{OnceCell, watch};

use crate::{
    blocking::blocking,
    events::bus::EventBus,
    home::{box_manager::BoxManager, metrics::RuntimeMetrics},
    log::{self, outlet::HomeLog},
    options::runtime_options::EngineChoice,
    shim::{
        assets::Parts,
        engine::{self, Engine},
    },
    state::{
        layout::FilesystemLayout,
        lock::{FileLock, Mode},
    },
};

/// A home that is open.
#[derive(Debug)]
pub(crate) struct Shared {
    pub(crate) layout: FilesystemLayout,
    pub(crate) choice: EngineChoice,
    pub(crate) parts: Parts,
    pub(crate) images: ImageManager,
    pub(crate) disks: Arc<ImageStorage>,
    pub(crate) leases: Holds,
    /// Bytes; `None` is by what is free.
    pub(crate) image_quota: Option<u64>,
    /// `None` is what fits the engine.
    pub(crate) start_timeout: Option<Duration>,
    pub(crate) boxes: BoxManager,
    pub(crate) metrics: Arc<RuntimeMetrics>,
    pub(crate) events: Arc<EventBus>,
    log: Mutex<Option<HomeLog>>,
    chosen: OnceCell<Engine>,
    closed: watch::Sender<bool>,
}

impl Shared {
    pub(crate) fn new(
        layout: FilesystemLayout,
        choice: EngineChoice,
        parts: Parts,
        images: ImageManager,
        disks: ImageStorage,
        leases: Holds,
        image_quota: Option<u64>,
    ) -> Self {
        let log = Mutex::new(log::attach(&layout.logs()));
        tracing::info!(home = %layout.home().display(), version = env!("CARGO_PKG_VERSION"), "home opened");
        Self {
            layout,
            choice,
            parts,
            images,
            disks: Arc::new(disks),
            leases,
            image_quota,
            start_timeout: None,
            boxes: BoxManager::default(),
            metrics: Arc::default(),
            events: Arc::default(),
            log,
            chosen: OnceCell::new(),
            closed: watch::Sender::new(false),
        }
    }

    /// The engine that boxes run on; found out once, unless that fails.
    pub(crate) async fn engine(&self) -> BoxliteResult<Engine> {
        let (choice, parts) = (self.choice, self.parts.clone());
        let find = blocking("choose an engine", move || engine::choose(choice, &parts));
        self.chosen.get_or_try_init(|| find).await.copied()
    }

    pub(crate) fn check_open(&self) -> BoxliteResult<()> {
        if *self.closed.borrow() {
            return Err(BoxliteError::new(
                ErrorCode::RuntimeClosed,
                format!("use home `{}`: the runtime was closed", self.layout.home().display()),
            ));
        }
        Ok(())
    }

    /// From now on nothing starts. True: it was open before.
    pub(crate) fn begin_close(&self) -> bool {
        !self.closed.send_replace(true)
    }

    /// After the last box: readers of events end, and the log is written to its end.
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

    /// Waits until the runtime closes.
    pub(crate) async fn closed(&self) {
        // The sender is ours, so it can't be gone.
        let _ = self.closed.subscribe().wait_for(|closed| *closed).await;
    }

    /// Takes the home's lock, for a short step that concerns more than one box.
    pub(crate) async fn structure(&self, mode: Mode) -> BoxliteResult<FileLock> {
        FileLock::of_home(&self.layout.lock(), mode).await
    }

    pub(crate) fn home(&self) -> PathBuf {
        self.layout.home().to_owned()
    }
}
