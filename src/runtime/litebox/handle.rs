//! `LiteBox` itself: what callers do with a box. State changes are `lifecycle`'s.

use std::{
    fs,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use boxlite_proto::limits;

use super::{
    BoxConfig, BoxInfo, BoxRecord, BoxState, Execution, ExecutionInfo, Files, Machine, lifecycle::Phase,
};
use crate::{
    BoxliteError, BoxliteResult, ErrorCode, ExecOptions, id, layout::BoxPaths, pipeline::Pipeline,
    shared::Shared,
};

/// A handle to one box. Clones share it; it stays valid when the box stops, and names the box when it was removed.
#[derive(Debug, Clone)]
pub struct LiteBox {
    pub(super) inner: Arc<Inner>,
}

#[derive(Debug)]
pub(super) struct Inner {
    pub(super) id: String,
    pub(super) paths: BoxPaths,
    pub(super) shared: Arc<Shared>,
    pub(super) config: Mutex<BoxConfig>,
    pub(super) status: Mutex<Status>,
}

/// What changes while the box lives. Locked for moments only, never over an await.
#[derive(Debug)]
pub(super) struct Status {
    pub(super) phase: Phase,
    pub(super) record: BoxRecord,
}

impl LiteBox {
    /// A box that is on disk and does not run.
    pub(crate) fn new(config: BoxConfig, record: BoxRecord, paths: BoxPaths, shared: Arc<Shared>) -> Self {
        let id = config.id.clone();
        let status = Mutex::new(Status { phase: Phase::Idle, record });
        Self { inner: Arc::new(Inner { id, paths, shared, config: Mutex::new(config), status }) }
    }

    /// Its id.
    pub fn id(&self) -> &str {
        &self.inner.id
    }

    /// Its name, if it has one.
    pub fn name(&self) -> Option<String> {
        self.inner.config().name
    }

    /// How it stands now.
    pub fn info(&self) -> BoxInfo {
        let config = self.inner.config();
        let status = self.inner.status();
        let machine = status.phase.machine();
        BoxInfo {
            labels: config.labels(),
            id: config.id,
            name: config.name,
            image: config.image,
            image_digest: config.resolved.map(|image| image.digest),
            state: status.record.state,
            engine: machine.map(|machine| machine.engine.kind),
            accelerated: machine.map(|machine| machine.engine.accelerated),
            pid: machine.map(|machine| machine.shim.pid()),
            cpus: config.cpus,
            memory_mib: config.memory_mib,
            disk_size_mib: config.disk_size_mib,
            created_at_ms: config.created_at_ms,
            failure: status.record.failure.clone(),
            timings: machine.map(|machine| machine.timings.clone()).unwrap_or_default(),
        }
    }

    /// Starts the machine if it does not run. Callers that come meanwhile wait for the same start.
    pub async fn start(&self) -> BoxliteResult<()> {
        self.machine().await.map(drop)
    }

    /// Stops the machine if it runs: SIGTERM to its processes, SIGKILL after `grace` (default 10 s), file systems
    /// unmounted, power off. The disk stays.
    pub async fn stop(&self, grace: Option<Duration>) -> BoxliteResult<()> {
        self.bring_down(grace.unwrap_or(Duration::from_secs(10))).await
    }

    /// Runs a command; starts the box first if needed.
    pub async fn spawn(&self, options: ExecOptions) -> BoxliteResult<Execution> {
        options.check()?;
        let metrics = Arc::clone(&self.inner.shared.metrics);
        let started = self.spawn_checked(options).await;
        metrics.count_exec(started.is_ok());
        started
    }

    async fn spawn_checked(&self, options: ExecOptions) -> BoxliteResult<Execution> {
        let machine = self.machine().await?;
        let id = id::random()?;
        let interface = machine.session.execution();
        let started = if options.detached {
            interface.start(&id, &options).await.map(|pid| (pid, None))
        } else {
            interface.exec(&id, &options).await.map(|(pid, output)| (pid, Some(output)))
        };
        let (pid, output) = match started {
            Ok(started) => started,
            Err(error) => return Err(machine.explain(error).await),
        };
        let metrics = Arc::clone(&self.inner.shared.metrics);
        Ok(Execution::new(id, pid, output, interface, machine, metrics, options.stdin))
    }

    /// The executions that run, the oldest first. A box that does not run has none, and is not started.
    pub async fn executions(&self) -> BoxliteResult<Vec<ExecutionInfo>> {
        let Some(machine) = self.running() else { return Ok(Vec::new()) };
        match machine.session.execution().list().await {
            Ok(running) => Ok(running.into_iter().take(limits::LIST).map(ExecutionInfo::from).collect()),
            Err(error) => Err(machine.explain(error).await),
        }
    }

    /// Finds an execution that runs, by its id. Its output is read from the oldest bytes at hand on, and whoever reads it
    /// elsewhere is superseded.
    pub async fn execution(&self, id: &str) -> BoxliteResult<Execution> {
        let unknown = || {
            BoxliteError::new(
                ErrorCode::ExecNotFound,
                format!("execution {id:?}: unknown in box {}", self.id()),
            )
            .hint("`box.executions()` lists those that run")
        };
        let machine = self.running().ok_or_else(unknown)?;
        let interface = machine.session.execution();
        let running = interface.list().await?;
        let found = running.into_iter().find(|known| known.execution_id == id).ok_or_else(unknown)?;
        let metrics = Arc::clone(&self.inner.shared.metrics);
        Ok(Execution::new(id.to_owned(), found.pid, None, interface, machine, metrics, true))
    }

    fn running(&self) -> Option<Arc<Machine>> {
        self.inner.status().phase.machine().filter(|machine| machine.outcome().is_none()).cloned()
    }

    /// Its files.
    pub fn files(&self) -> Files {
        Files::new(self.clone())
    }

    /// Removes the box and everything of it. A running one needs `force`, which does not ask its processes.
    pub async fn remove(&self, force: bool) -> BoxliteResult<()> {
        self.retire(force).await?;
        self.inner.shared.boxes.forget(&self.inner.id);
        let paths = self.inner.paths.clone();
        let removed = tokio::task::spawn_blocking(move || {
            paths.remove_sockets();
            fs::remove_dir_all(paths.dir())
                .map_err(|error| BoxliteError::io("remove box", paths.dir(), error))
        });
        removed
            .await
            .map_err(|error| BoxliteError::new(ErrorCode::Internal, "remove box").caused_by(error))??;
        self.inner.shared.metrics.count_destroyed();
        Ok(())
    }

    pub(super) fn pipeline(&self) -> Pipeline {
        Pipeline::new(Arc::clone(&self.inner.shared), self.inner.paths.clone(), self.inner.config())
    }
}

impl Inner {
    pub(super) fn config(&self) -> BoxConfig {
        self.config.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    pub(super) fn status(&self) -> std::sync::MutexGuard<'_, Status> {
        self.status.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Status {
    /// Notes the state, on disk too. A state that can't be written is no reason to fail what was achieved.
    pub(super) fn note(&mut self, state: BoxState, failure: Option<String>, paths: &BoxPaths) {
        self.record = BoxRecord { state, failure };
        if let Err(error) = self.record.save(paths) {
            tracing::warn!(%error, "state of the box was not written");
        }
    }
}
