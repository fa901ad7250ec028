//! `Supervisor`: what the tasks of this room share, and how they begin.
//!
//! Made with the services; the Container service begins it, the Guest and Supervisor services ask it.

use std::{
    fmt,
    sync::{
        Arc, Mutex, OnceLock, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
};

use boxlite_proto::v1::{
    AmendRequest, Environment, LimitReached, MetricsResponse, StartError, Supervision, box_event::Event,
    journal_record::Record,
};
use tokio::{sync::watch, time::Instant};

use super::{
    ending::Ending,
    events::{Events, Watch},
    health,
    host_line::HostLine,
    journal::Journal,
    limits::{self, Limits},
    main_process::{MainProcess, Running},
    metrics, oom,
};
use crate::{
    Error, Kind, Result, activity::Activity, container::Cgroup, execution::Executions, files::Files,
    zygote::Zygote,
};

/// See the module. Clones are the same one.
#[derive(Clone)]
pub struct Supervisor(pub(super) Arc<Shared>);

pub(super) struct Shared {
    pub(super) zygote: Zygote,
    pub(super) executions: Executions,
    pub(super) files: Files,
    pub(super) activity: Activity,
    pub(super) events: Events,
    line: HostLine,
    pub(super) journal: OnceLock<Journal>,
    cgroup: OnceLock<Cgroup>,
    watches_oom: AtomicBool,
    /// When the container stood.
    began: OnceLock<Instant>,
    limits: watch::Sender<Limits>,
    /// Whether they are watched over.
    limited: AtomicBool,
    /// Milliseconds between SIGTERM and SIGKILL when this machine ends by itself.
    pub(super) grace_ms: OnceLock<u32>,
    /// The run of the main process that is under way.
    pub(super) main: Mutex<Option<Running>>,
    /// Counts its runs.
    pub(super) runs: watch::Sender<u32>,
    /// It has ended for good, and all that it left is in the journal; true also when there is none.
    pub(super) main_over: watch::Sender<bool>,
    /// The root disk is there to be sealed.
    pub(super) mounted: AtomicBool,
    /// The machine is being ended.
    pub(super) ending: watch::Sender<bool>,
    pub(super) wanted_by: OnceLock<Ending>,
    /// It may be switched off: how many processes had to be killed.
    pub(super) outcome: watch::Sender<Option<u32>>,
    /// The same, for `main.rs`.
    pub(super) ended: watch::Sender<bool>,
}

impl fmt::Debug for Supervisor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Supervisor").finish_non_exhaustive()
    }
}

impl Supervisor {
    /// One that has nothing to do yet; `ended` is set when the machine is to be switched off.
    pub fn new(
        zygote: Zygote,
        executions: Executions,
        files: Files,
        activity: Activity,
        line: HostLine,
        ended: watch::Sender<bool>,
    ) -> Self {
        let events = Events::default();
        let told = events.clone();
        executions.on_oom(move |id| told.tell(oom::event(id)));
        Self(Arc::new(Shared {
            zygote,
            executions,
            files,
            activity,
            events,
            line,
            journal: OnceLock::new(),
            cgroup: OnceLock::new(),
            watches_oom: AtomicBool::new(false),
            began: OnceLock::new(),
            limits: watch::Sender::default(),
            limited: AtomicBool::new(false),
            grace_ms: OnceLock::new(),
            main: Mutex::default(),
            runs: watch::Sender::new(0),
            main_over: watch::Sender::new(true),
            mounted: AtomicBool::new(false),
            ending: watch::Sender::new(false),
            wanted_by: OnceLock::new(),
            outcome: watch::Sender::new(None),
            ended,
        }))
    }

    /// The root disk was mounted; the end has to leave it clean.
    pub fn disk_mounted(&self) {
        self.0.mounted.store(true, Ordering::Relaxed);
    }

    /// The container stands: begins what is ordered for it. Answers why its main process could not be started.
    pub async fn begin(
        &self,
        orders: Option<Supervision>,
        cgroup: Option<Cgroup>,
    ) -> Result<Option<StartError>> {
        if let Some(cgroup) = cgroup {
            let _ = self.0.cgroup.set(cgroup);
        }
        // What a lifetime is counted from, also one that is given later.
        let _ = self.0.began.set(Instant::now());
        let Some(orders) = orders else { return Ok(None) };
        let limits = Limits::of(&orders);
        let _ = self.0.grace_ms.set(orders.stop_grace_ms);
        // Before any process of the box lives: the first that asks the host for a journal is the one that gets it.
        let journal = Journal::open(&self.0.line).await;
        let _ = self.0.journal.set(journal.clone());
        if let Some(main) = orders.main
            && let Err(error) = MainProcess::begin(self.clone(), journal, main).await?
        {
            return Ok(Some(error));
        }
        if let Some(check) = orders.health {
            tokio::spawn(health::watch_over(self.clone(), check));
        }
        self.keep(limits);
        Ok(None)
    }

    /// Changes what can change while the box runs, which is a use of it.
    pub fn amend(&self, request: AmendRequest) -> Result<()> {
        if self.0.began.get().is_none() {
            return Err(Error::new(Kind::State, "amend box: it has no container yet"));
        }
        self.0.activity.touch();
        if let (Some(most), Some(cgroup)) = (request.pids_max, self.0.cgroup.get()) {
            cgroup.set_pids_max(most)?;
        }
        if let Some(Environment { env }) = request.env {
            self.0.executions.set_env(env);
        }
        let now = *self.0.limits.borrow();
        self.keep(Limits {
            max_lifetime_ms: request.max_lifetime_ms.unwrap_or(now.max_lifetime_ms),
            idle_timeout_ms: request.idle_timeout_ms.unwrap_or(now.idle_timeout_ms),
            ends_at: request.ends_at_unix_ms.unwrap_or(now.ends_at),
        });
        Ok(())
    }

    /// From now on these limits hold. The first that are any begin to be watched over.
    fn keep(&self, limits: Limits) {
        self.0.limits.send_replace(limits);
        if limits != Limits::default() && !self.0.limited.swap(true, Ordering::Relaxed) {
            let began = self.0.began.get().copied().unwrap_or_else(Instant::now);
            tokio::spawn(limits::watch_over(self.clone(), began, self.0.limits.subscribe()));
        }
    }

    /// What happened after the event `after`, else how the box stands; from then on all that happens.
    pub fn watch(&self, after: Option<u64>) -> Watch {
        let first = !self.0.watches_oom.swap(true, Ordering::Relaxed);
        if let Some(cgroup) = self.0.cgroup.get().filter(|_| first) {
            tokio::spawn(oom::watch_over(self.0.executions.clone(), cgroup.memory_events()));
        }
        self.0.events.watch(after)
    }

    /// The figures of this moment.
    pub fn metrics(&self) -> MetricsResponse {
        MetricsResponse {
            executions: self.0.executions.requested(),
            ..metrics::read(self.0.cgroup.get().map(Cgroup::path))
        }
    }

    /// Tells those who watch, and those who will read.
    pub(super) fn tell(&self, event: Event) {
        let record = match &event {
            Event::MainStarted(started) => Record::Started(*started),
            Event::MainExited(exited) => Record::Exited(*exited),
            Event::Health(changed) => Record::Health(changed.clone()),
            Event::Limit(LimitReached { limit }) => Record::Limit(LimitReached { limit: *limit }),
            Event::Oom(_) | Event::Lost(_) => return self.0.events.tell(event),
        };
        if let Some(journal) = self.0.journal.get() {
            journal.write(record);
        }
        self.0.events.tell(event);
    }

    /// Returns when the end has begun.
    pub(super) async fn ending(&self) {
        // The sender lives in `self`.
        let _ = self.0.ending.subscribe().wait_for(|ending| *ending).await;
    }

    pub(super) fn is_ending(&self) -> bool {
        *self.0.ending.borrow()
    }

    pub(super) fn set_main(&self, running: Option<Running>) {
        *self.0.main.lock().unwrap_or_else(PoisonError::into_inner) = running;
    }
}
