//! `LiteBox` itself: what callers do with a box. State changes are `lifecycle`'s.

use std::{
    sync::{Arc, Mutex, MutexGuard, PoisonError, atomic::AtomicBool},
    time::Duration,
};

use boxlite_error::{BoxliteError, BoxliteResult, ErrorCode, Term, text};
use boxlite_portal::ExecOptions;
use boxlite_wire::limits;

use crate::{
    blocking::blocking,
    events::EventKind,
    home::{open_home::Shared, unreadable::UnreadableBox},
    litebox::{
        executions::{collect::Collected, execution::Execution, info::ExecutionInfo},
        files::{verbs::Files, watches::Watches},
        lifecycle::{
            end::BoxEnd, machine::Machine, observed_state::Standing, running::Phase, state::BoxState,
            transition::Transition,
        },
        observation::info::BoxInfo,
    },
    options::{box_options::MOST_PIDS, exec},
    pipeline::{Pipeline, boot_timeout::BootTimeout},
    state::{
        id, json_file,
        layout::BoxPaths,
        lock::FileLock,
        record::{BoxConfig, ConfigFile},
    },
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
    config: Mutex<ConfigFile>,
    /// Locked for moments only, never over an await.
    phase: Mutex<Phase>,
    /// How its last machine ended that this process saw end: known also when the box was removed with it.
    end: Mutex<Option<BoxEnd>>,
    pub(super) watches: Watches,
    /// Whether this process removes it, and tells of that.
    pub(super) removing: AtomicBool,
}

impl LiteBox {
    /// The box in the folder of this id, if there is one.
    pub(crate) fn open(shared: &Arc<Shared>, id: &str) -> BoxliteResult<Option<Self>> {
        let paths = shared.layout.of_box(id);
        let Some(config) = ConfigFile::read(&paths)? else { return Ok(None) };
        let (id, shared) = (id.to_owned(), Arc::clone(shared));
        Ok(Some(Self {
            inner: Arc::new(Inner {
                id,
                paths,
                shared,
                config: Mutex::new(config),
                phase: Mutex::default(),
                end: Mutex::default(),
                watches: Watches::default(),
                removing: AtomicBool::new(false),
            }),
        }))
    }

    /// Reads what other processes amended. False: the box is gone.
    pub(crate) fn refresh(&self) -> BoxliteResult<bool> {
        self.inner.config.lock().unwrap_or_else(PoisonError::into_inner).refresh(&self.inner.paths)
    }

    /// Whether a killed process left something of it.
    pub(crate) fn has_leftovers(&self) -> bool {
        let standing = self.standing_now();
        let ended = |state| matches!(state, BoxState::Stopped | BoxState::Failed);
        let drafts = json_file::drafts(self.inner.paths.dir()).next().is_some();
        drafts
            || standing.is_ok_and(|standing| {
                standing.stale || (self.inner.config().options.auto_remove && ended(standing.record.state))
            })
    }

    /// Its id.
    pub fn id(&self) -> &str {
        &self.inner.id
    }

    /// Its name, if it has one.
    pub fn name(&self) -> Option<String> {
        self.inner.config().options.name
    }

    /// Its image, as it was given.
    pub fn image(&self) -> String {
        self.inner.config().options.image
    }

    /// Whether it lives on without the process that started it.
    pub fn detached(&self) -> bool {
        self.inner.config().options.detached
    }

    pub(crate) fn created_at_ms(&self) -> u64 {
        self.inner.config().created_at_ms
    }

    /// How it stands now, whichever process started it.
    pub async fn info(&self) -> BoxliteResult<BoxInfo> {
        let this = self.clone();
        blocking("look at a box", move || this.info_now()).await
    }

    /// [`info`](Self::info) for those that may block: it reads files, up to the whole journal.
    pub(crate) fn info_now(&self) -> BoxliteResult<BoxInfo> {
        if !self.refresh()? {
            return Err(self.removed());
        }
        let config = self.inner.config();
        let Standing { record, pid, .. } = self.standing_now()?;
        let health = self.health(&config.options.supervision, &record)?;
        let engine = record.machine.as_ref().map(|machine| machine.engine);
        let (next, running) = (config.size(), !record.state.at_rest());
        let now =
            record.machine.as_ref().filter(|_| running).and_then(|machine| machine.size).unwrap_or(next);
        let supervision = &config.options.supervision;
        Ok(BoxInfo {
            labels: config.labels(),
            id: config.id,
            name: config.options.name,
            image: config.options.image,
            image_digest: config.resolved.map(|image| image.digest),
            state: record.state,
            engine: engine.map(|engine| engine.kind),
            accelerated: engine.map(|engine| engine.accelerated),
            pid,
            cpus: now.cpus,
            memory_mib: now.memory_mib,
            next_cpus: (next.cpus != now.cpus).then_some(next.cpus),
            next_memory_mib: (next.memory_mib != now.memory_mib).then_some(next.memory_mib),
            pids_limit: config.options.pids_limit.unwrap_or(MOST_PIDS),
            max_lifetime_ms: supervision.max_lifetime_ms,
            idle_timeout_ms: supervision.idle_timeout_ms,
            ends_at_ms: supervision.ends_at_ms,
            disk_size_mib: config.options.disk_size_mib,
            created_at_ms: config.created_at_ms,
            failure: record.failure,
            detached: config.options.detached,
            auto_remove: config.options.auto_remove,
            health,
            timings: record.machine.map(|machine| machine.timings).unwrap_or_default(),
        })
    }

    /// Starts the machine if it does not run. Callers that come meanwhile wait for the same start; when the last of them drops
    /// its future, the start is given up. `boot` is how long the guest may take from its power-on, if this call is the one that
    /// starts it; by default what the box, the runtime or the engine says.
    pub async fn start(&self, boot: Option<Duration>) -> BoxliteResult<()> {
        self.machine_within(boot).await.map(drop)
    }

    /// Stops the machine if it runs: SIGTERM to its processes, SIGKILL after `grace` (default 10 s), file systems
    /// unmounted, power off. The disk stays.
    pub async fn stop(&self, grace: Option<Duration>) -> BoxliteResult<()> {
        self.bring_down(grace.unwrap_or(Duration::from_secs(10))).await
    }

    /// Stops the box if it runs, and starts it.
    pub async fn restart(&self, grace: Option<Duration>) -> BoxliteResult<()> {
        self.stop(grace).await?;
        self.start(None).await
    }

    /// What the owner of a handle leaves behind when it is done: a detached box goes on, and so does one that another
    /// process started; of what is left, one with a name is stopped and one without is removed.
    pub async fn dispose(&self) -> BoxliteResult<()> {
        let elsewhere = !self.is_ours() && self.standing().await?.pid.is_some();
        if self.detached() || elsewhere {
            return Ok(());
        }
        let done = if self.name().is_some() { self.stop(None).await } else { self.remove(true).await };
        done.or_else(|error| (error.code() == ErrorCode::BoxRemoved).then_some(()).ok_or(error))
    }

    /// Runs a command; starts the box first if needed.
    pub async fn spawn(&self, options: ExecOptions) -> BoxliteResult<Execution> {
        exec::check(&options)?;
        let metrics = Arc::clone(&self.inner.shared.metrics);
        let started = self.spawn_checked(options).await;
        metrics.count_exec(started.is_ok());
        started
    }

    /// Runs a command and collects what it writes, at most `max` bytes of each stream; see [`Execution::collect`].
    pub async fn exec(&self, options: ExecOptions, max: usize) -> BoxliteResult<Collected> {
        self.begin_exec(options).await?.collect(max).await
    }

    /// The first half of [`LiteBox::exec`]: what it gives is to be collected.
    pub async fn begin_exec(&self, options: ExecOptions) -> BoxliteResult<Execution> {
        // Nobody learns of its start before its end.
        self.spawn(ExecOptions { hold_start: true, ..options }).await
    }

    async fn spawn_checked(&self, options: ExecOptions) -> BoxliteResult<Execution> {
        self.inner.watches.stand().await;
        let machine = self.machine().await?;
        let id = id::random()?;
        let interface = machine.session.execution();
        // On the heap: a future is moved into each that awaits it, and these are kilobytes.
        let started = if options.detached {
            Box::pin(interface.start(&id, &options)).await.map(|pid| (pid, None))
        } else {
            Box::pin(interface.exec(&id, &options)).await.map(|(pid, output)| (pid, Some(output)))
        };
        let (pid, output) = match started {
            Ok(started) => started,
            Err(error) => return Err(self.explain(&machine, error).await),
        };
        tracing::debug!(
            box_id = self.inner.id,
            execution_id = id,
            command = options.command,
            pid,
            "execution started"
        );
        let (execution_id, command) = (id.clone(), options.command.clone());
        machine.observed.tell(|| EventKind::ExecStarted { execution_id, command, pid });
        let metrics = Arc::clone(&self.inner.shared.metrics);
        Ok(Execution::new(id, pid, output, interface, machine, metrics, &options))
    }

    /// The executions that run, the oldest first. A box that does not run has none, and is not started.
    pub async fn executions(&self) -> BoxliteResult<Vec<ExecutionInfo>> {
        let Some(machine) = self.running().await? else { return Ok(Vec::new()) };
        match machine.session.execution().list().await {
            Ok(running) => Ok(running.into_iter().take(limits::LIST).map(ExecutionInfo::from).collect()),
            Err(error) => Err(self.explain(&machine, error).await),
        }
    }

    /// Why a call to the guest failed. Whoever removes a box ends its machine first: a connection that was lost so was lost
    /// because the box is gone, which is known when the remover has let go of the box's lock.
    pub(super) async fn explain(&self, machine: &Arc<Machine>, error: BoxliteError) -> BoxliteError {
        let error = machine.explain(error).await;
        if error.code() != ErrorCode::PortalLost || machine.outcome().is_none() {
            return error;
        }
        match Transition::begin_after(self, machine.outcome()).await {
            Err(removed) if removed.code() == ErrorCode::BoxRemoved => removed,
            _ => error,
        }
    }

    /// Finds an execution that runs or has ended lately, by its id. Its output is read from the oldest bytes at hand on,
    /// whoever else reads it.
    pub async fn execution(&self, id: &str) -> BoxliteResult<Execution> {
        let unknown = || {
            BoxliteError::new(
                ErrorCode::ExecNotFound,
                format!("execution {id:?}: unknown in box {}", self.id()),
            )
            .hint(text![
                Term::BoxExecutions,
                " lists those that run; one that has ended is remembered for ten minutes"
            ])
        };
        let machine = self.running().await?.ok_or_else(unknown)?;
        let interface = machine.session.execution();
        let found = interface.find(id).await?.ok_or_else(unknown)?;
        let metrics = Arc::clone(&self.inner.shared.metrics);
        let mut options = ExecOptions::new(found.command, found.args);
        options.stdin = true;
        Ok(Execution::new(id.to_owned(), found.pid, None, interface, machine, metrics, &options))
    }

    /// Its files.
    pub fn files(&self) -> Files {
        Files::new(self.clone())
    }

    /// Removes the box and everything of it. A running one needs `force`, which does not ask its processes.
    pub async fn remove(&self, force: bool) -> BoxliteResult<()> {
        let removed = self.retire(force).await;
        // Damaged since this handle was made.
        if removed.as_ref().is_err_and(UnreadableBox::is_told_by)
            && force
            && ConfigFile::read(&self.inner.paths).is_err()
        {
            self.inner.shared.remove_unreadable(self.id()).await?;
            return Ok(());
        }
        removed
    }

    pub(super) fn pipeline(&self, config: BoxConfig, lock: Arc<FileLock>, boot: BootTimeout) -> Pipeline {
        Pipeline::new(Arc::clone(&self.inner.shared), self.inner.paths.clone(), config, lock, boot)
    }
}

impl Inner {
    pub(super) fn config(&self) -> BoxConfig {
        self.config.lock().unwrap_or_else(PoisonError::into_inner).config.clone()
    }

    pub(super) fn note_end(&self, end: BoxEnd) {
        *self.end.lock().unwrap_or_else(PoisonError::into_inner) = Some(end);
    }

    pub(super) fn last_end(&self) -> Option<BoxEnd> {
        self.end.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    pub(super) fn status(&self) -> MutexGuard<'_, Phase> {
        self.phase.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
