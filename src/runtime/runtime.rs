//! `BoxliteRuntime`: the way in. Opens a home, makes and finds boxes, and closes what it opened.

pub(crate) mod filter;
pub(crate) mod get_or_create;

use std::{
    path::{Path, PathBuf},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use boxlite_error::{BoxliteError, BoxliteResult, ErrorCode};
use futures::future::join_all;
use tokio::time::timeout;

use crate::{
    blocking::blocking,
    doctor::{self, DoctorReport},
    home::{metrics::RuntimeMetricsSnapshot, open_home::Shared, registry, unreadable::UnreadableBox},
    litebox::{handle::LiteBox, observation::info::BoxInfo},
    options::{box_options::BoxOptions, runtime_options::RuntimeOptions, supervision::check_end},
    state::{clock::now_ms, id, record::BoxConfig},
};

/// How long a runtime takes to close at most.
const CLOSE: Duration = Duration::from_secs(10);
/// How much of it is for machines, after their processes have ended.
const POWER_OFF: Duration = Duration::from_secs(3);

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
    /// `HOME_LOCKED` when another process hangs while it changes the list of boxes, `INVALID_ARGUMENT` when this process has it open with other
    /// options, `STORAGE_IO` when it can't be written.
    pub async fn open(options: RuntimeOptions) -> BoxliteResult<Arc<Self>> {
        let shared = blocking("open the runtime", move || registry::open(options)).await?;
        if let Err(error) = shared.sweep().await {
            registry::leave(&shared);
            return Err(error);
        }
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
        check_end(options.supervision.ends_at_ms, now_ms())?;
        let config = BoxConfig::new(id::random()?, now_ms(), options);
        config.check_size()?;
        let litebox = self.shared.make_box(config).await?;
        self.shared.metrics.count_created();
        Ok(litebox)
    }

    /// The box of this id, or else of this name.
    pub async fn get(&self, id_or_name: &str) -> BoxliteResult<LiteBox> {
        self.check_open()?;
        let (shared, id_or_name) = (Arc::clone(&self.shared), id_or_name.to_owned());
        blocking("find a box", move || shared.find_box(&id_or_name)).await
    }

    /// Every box of the home, oldest first.
    pub async fn list(&self) -> BoxliteResult<Vec<BoxInfo>> {
        self.check_open()?;
        let shared = Arc::clone(&self.shared);
        blocking("list the boxes", move || {
            let (boxes, unreadable) = shared.look_at_all()?;
            let infos = boxes.into_iter().filter_map(|litebox| match litebox.info_now() {
                // One that is being removed at this moment is none.
                Err(error) if error.code() == ErrorCode::BoxRemoved => None,
                // Damaged at this moment.
                Err(error) => Some(UnreadableBox::new(&shared.layout, litebox.id(), &error).info()),
                Ok(info) => Some(info),
            });
            Ok(infos.chain(unreadable.iter().map(UnreadableBox::info)).collect())
        })
        .await
    }

    /// Removes a box with everything of it. A running one needs `force`.
    pub async fn remove(&self, id_or_name: &str, force: bool) -> BoxliteResult<()> {
        match self.get(id_or_name).await {
            Err(error) if force && UnreadableBox::is_told_by(&error) => {
                self.shared.remove_unreadable(id_or_name).await
            }
            found => found?.remove(force).await,
        }
    }

    /// Counters since the home was opened.
    pub fn metrics(&self) -> RuntimeMetricsSnapshot {
        self.shared.metrics.snapshot()
    }

    /// Ends the attached boxes that this process started, side by side, and kills what has not ended by then. Detached
    /// boxes and those of other processes go on. Closing twice is no error.
    pub async fn close(&self, within: Option<Duration>) -> BoxliteResult<()> {
        if self.closed.swap(true, Ordering::AcqRel) || !registry::leave(&self.shared) {
            return Ok(());
        }
        let within = within.unwrap_or(CLOSE);
        // What is left of the time is for file systems.
        let grace = (within / 2).max(within.saturating_sub(POWER_OFF));
        let ours = self.shared.boxes.known().into_iter().filter(LiteBox::is_ours);
        let results = join_all(ours.map(|litebox| async move {
            if let Ok(result) = timeout(within, litebox.let_down(grace)).await {
                return result;
            }
            litebox.cut_off().await;
            Ok(())
        }))
        .await;
        self.shared.boxes.clear();
        self.shared.finish_close().await;
        results.into_iter().collect()
    }

    /// What this machine can do, and what would help. Never fails: what can't be found out is part of the answer.
    pub async fn doctor(options: RuntimeOptions) -> DoctorReport {
        blocking("examine this machine", move || Ok(doctor::examine(options)))
            .await
            .unwrap_or_else(|error| DoctorReport::broken(&format!("the examination itself failed: {error}")))
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

impl Drop for BoxliteRuntime {
    fn drop(&mut self) {
        if !self.closed.swap(true, Ordering::AcqRel) {
            registry::lose(&self.shared);
        }
    }
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
