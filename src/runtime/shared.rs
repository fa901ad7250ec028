//! What every box of a runtime shares. Made when the runtime opens; held by the runtime, its boxes and the pipeline.

use std::{
    path::PathBuf,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
};

use boxlite_disk::ImageStorage;
use boxlite_images::ImageManager;
use tokio::sync::OnceCell;

use crate::{
    BoxliteError, BoxliteResult, EngineChoice, ErrorCode,
    box_manager::BoxManager,
    engine::{self, Engine},
    images::Leases,
    layout::FilesystemLayout,
    lock::HomeLock,
    metrics::RuntimeMetrics,
    parts::Parts,
};

/// A home that is open.
#[derive(Debug)]
pub(crate) struct Shared {
    pub(crate) layout: FilesystemLayout,
    pub(crate) choice: EngineChoice,
    pub(crate) parts: Parts,
    pub(crate) images: ImageManager,
    pub(crate) disks: Arc<ImageStorage>,
    pub(crate) leases: Leases,
    /// Bytes; `None` is by what is free.
    pub(crate) image_quota: Option<u64>,
    pub(crate) boxes: BoxManager,
    pub(crate) metrics: Arc<RuntimeMetrics>,
    chosen: OnceCell<Engine>,
    lock: Mutex<Option<HomeLock>>,
    closed: AtomicBool,
}

impl Shared {
    pub(crate) fn new(
        layout: FilesystemLayout,
        choice: EngineChoice,
        parts: Parts,
        images: ImageManager,
        disks: ImageStorage,
        leases: Leases,
        image_quota: Option<u64>,
        lock: HomeLock,
    ) -> Self {
        Self {
            layout,
            choice,
            parts,
            images,
            disks: Arc::new(disks),
            leases,
            image_quota,
            boxes: BoxManager::default(),
            metrics: Arc::default(),
            chosen: OnceCell::new(),
            lock: Mutex::new(Some(lock)),
            closed: AtomicBool::new(false),
        }
    }

    /// The engine that boxes run on; found out once, unless that fails.
    pub(crate) async fn engine(&self) -> BoxliteResult<Engine> {
        let find = async {
            let (choice, parts) = (self.choice, self.parts.clone());
            let engine = tokio::task::spawn_blocking(move || engine::choose(choice, &parts)).await;
            engine.map_err(|panic| {
                BoxliteError::new(ErrorCode::Internal, "choose an engine").caused_by(panic)
            })?
        };
        self.chosen.get_or_try_init(|| find).await.copied()
    }

    pub(crate) fn check_open(&self) -> BoxliteResult<()> {
        if self.closed.load(Ordering::Acquire) {
            return Err(BoxliteError::new(
                ErrorCode::RuntimeClosed,
                format!("use home `{}`: the runtime was closed", self.layout.home().display()),
            ));
        }
        Ok(())
    }

    /// From now on nothing starts. True: it was open before.
    pub(crate) fn begin_close(&self) -> bool {
        !self.closed.swap(true, Ordering::AcqRel)
    }

    /// Lets other processes in.
    pub(crate) fn release(&self) {
        *self.lock.lock().unwrap_or_else(PoisonError::into_inner) = None;
    }

    pub(crate) fn home(&self) -> PathBuf {
        self.layout.home().to_owned()
    }
}
