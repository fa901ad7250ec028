//! `BoxliteRuntime`: the way in. Opens a home, makes and finds boxes, and closes what it opened.

use std::{
    path::{Path, PathBuf},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use futures::future::join_all;

use crate::{
    BoxInfo, BoxOptions, BoxliteError, BoxliteResult, DoctorReport, ErrorCode, LiteBox,
    RuntimeMetricsSnapshot, RuntimeOptions, doctor, id,
    litebox::{BoxConfig, BoxRecord, BoxState},
    opened,
    shared::Shared,
};

/// How long processes have between SIGTERM and SIGKILL when the runtime closes.
const CLOSE_GRACE: Duration = Duration::from_secs(5);

/// An open home. Opening the same home again in this process gives another handle to the same one; the last that
/// closes ends its boxes.
#[derive(Debug)]
pub struct BoxliteRuntime {
    pub(crate) shared: Arc<Shared>,
    closed: AtomicBool,
}

impl BoxliteRuntime {
    /// Opens a home, and makes it if there is none.
    ///
    /// # Errors
    /// `HOME_LOCKED` when another process has it open, `INVALID_ARGUMENT` when this process has it open with other
    /// options, `STORAGE_IO` when it can't be written.
    pub async fn open(options: RuntimeOptions) -> BoxliteResult<Arc<Self>> {
        let shared = tokio::task::spawn_blocking(move || opened::open(options))
            .await
            .map_err(|panic| BoxliteError::new(ErrorCode::Internal, "open the runtime").caused_by(panic))??;
        // Which engine can run takes a process to find out: it is known by the time the first box starts.
        let early = Arc::clone(&shared);
        tokio::spawn(async move { early.engine().await });
        Ok(Arc::new(Self { shared, closed: AtomicBool::new(false) }))
    }

    /// The home's path, absolute.
    pub fn home(&self) -> PathBuf {
        self.shared.home()
    }

    /// Makes a box. It costs two small files: the machine starts at its first use.
    pub async fn create(&self, options: BoxOptions) -> BoxliteResult<LiteBox> {
        self.check_open()?;
        options.check()?;
        let shared = Arc::clone(&self.shared);
        let litebox = tokio::task::spawn_blocking(move || create(&shared, options))
            .await
            .map_err(|panic| BoxliteError::new(ErrorCode::Internal, "create a box").caused_by(panic))??;
        self.shared.metrics.count_created();
        Ok(litebox)
    }

    /// The box of this id, or else of this name.
    #[allow(
        clippy::unused_async,
        reason = "callers wait for all that may touch the home; today the table is in memory"
    )]
    pub async fn get(&self, id_or_name: &str) -> BoxliteResult<LiteBox> {
        self.check_open()?;
        self.shared.boxes.find(id_or_name)
    }

    /// Every box of the home, oldest first.
    #[allow(clippy::unused_async, reason = "as `get`")]
    pub async fn list(&self) -> BoxliteResult<Vec<BoxInfo>> {
        self.check_open()?;
        Ok(self.shared.boxes.all().iter().map(LiteBox::info).collect())
    }

    /// Removes a box with everything of it. A running one needs `force`.
    pub async fn remove(&self, id_or_name: &str, force: bool) -> BoxliteResult<()> {
        self.get(id_or_name).await?.remove(force).await
    }

    /// Counters since the home was opened.
    pub fn metrics(&self) -> RuntimeMetricsSnapshot {
        self.shared.metrics.snapshot()
    }

    /// Ends every box side by side and lets go of the home. Closing twice is no error.
    pub async fn close(&self) -> BoxliteResult<()> {
        if self.closed.swap(true, Ordering::AcqRel) || !opened::leave(&self.shared) {
            return Ok(());
        }
        let boxes = self.shared.boxes.all();
        let results = join_all(boxes.iter().map(|litebox| litebox.bring_down(CLOSE_GRACE))).await;
        self.shared.boxes.clear();
        self.shared.release();
        results.into_iter().collect()
    }

    /// What this machine can do, and what would help. Never fails: what can't be found out is part of the answer.
    pub async fn doctor(options: RuntimeOptions) -> DoctorReport {
        tokio::task::spawn_blocking(move || doctor::examine(options))
            .await
            .unwrap_or_else(|panic| DoctorReport::broken(&format!("the examination itself failed: {panic}")))
    }

    pub(crate) fn check_open(&self) -> BoxliteResult<()> {
        if self.closed.load(Ordering::Acquire) {
            return Err(BoxliteError::new(
                ErrorCode::RuntimeClosed,
                format!("use home `{}`: the runtime was closed", self.home().display()),
            ));
        }
        self.shared.check_open()
    }
}

fn create(shared: &Arc<Shared>, options: BoxOptions) -> BoxliteResult<LiteBox> {
    let id = id::random()?;
    let paths = shared.layout.of_box(&id);
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    let created_at_ms = u64::try_from(now.as_millis()).unwrap_or(u64::MAX);
    let config = BoxConfig::new(id, created_at_ms, options);
    let record = BoxRecord { state: BoxState::Created, failure: None };
    let litebox = LiteBox::new(config.clone(), record.clone(), paths.clone(), Arc::clone(shared));
    // The name is taken first: of two creators, one fails before it wrote anything.
    shared.boxes.add(litebox.clone())?;
    let written = paths.create().and_then(|()| config.save(&paths)).and_then(|()| record.save(&paths));
    if let Err(error) = written {
        shared.boxes.forget(litebox.id());
        let _ = std::fs::remove_dir_all(paths.dir());
        return Err(error);
    }
    Ok(litebox)
}

/// The home that options and environment name.
pub(crate) fn home_of(option: Option<&Path>) -> BoxliteResult<PathBuf> {
    let from_environment =
        || std::env::var_os("BOXLITE_HOME").filter(|home| !home.is_empty()).map(PathBuf::from);
    let default = || std::env::home_dir().filter(|home| home.is_absolute()).map(|home| home.join(".boxlite"));
    option.map(Path::to_owned).or_else(from_environment).or_else(default).ok_or_else(|| {
        BoxliteError::invalid("open the runtime: no home directory is known")
            .hint("pass `home`, or set BOXLITE_HOME")
    })
}
