//! `Supervisor`: the state that the tasks of this room share.
//!
//! Created with the services. `begin` starts the tasks, and `shutdown` ends them with the machine.

use std::sync::{
    Arc, OnceLock,
    atomic::{AtomicBool, Ordering},
};

use boxlite_proto::v1::{LimitReached, box_event::Event, journal_record::Record};
use parking_lot::Mutex;
use tokio::{sync::watch, time::Instant};

use super::{events::Events, host_streams::HostStreams, journal::Journal, limits::Limits, oom};
use crate::{activity::Activity, container::Cgroup, execution::Executions, files::Files, zygote::Zygote};

/// Which side ends the machine.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum EndedBy {
    /// The host, which knows that it did.
    Host,
    /// The guest itself: a limit, or the main process's exit.
    Guest,
}

/// A run of the main process.
#[derive(Debug, Clone, Copy)]
pub(super) struct Running {
    pub(super) serial: u64,
    /// The signal that asks it to exit.
    pub(super) stop_signal: i32,
}

/// The supervision of the box. Clones share its state.
#[derive(Clone)]
pub struct Supervisor(pub(super) Arc<State>);

pub(super) struct State {
    pub(super) zygote: Zygote,
    pub(super) executions: Executions,
    pub(super) files: Files,
    pub(super) activity: Activity,
    pub(super) events: Events,
    pub(super) host_streams: HostStreams,
    pub(super) journal: OnceLock<Journal>,
    pub(super) cgroup: OnceLock<Cgroup>,
    pub(super) watches_oom: AtomicBool,
    /// When the container was set up.
    pub(super) began: OnceLock<Instant>,
    pub(super) limits: watch::Sender<Limits>,
    /// Whether a task watches the limits.
    pub(super) limited: AtomicBool,
    /// Milliseconds between SIGTERM and SIGKILL when the guest ends the machine itself.
    pub(super) grace_ms: OnceLock<u32>,
    /// The main process's current run.
    pub(super) main: Mutex<Option<Running>>,
    /// The number of its runs.
    pub(super) runs: watch::Sender<u32>,
    /// Whether it has exited for good and all of its output is in the journal. True if there is no main process.
    pub(super) main_over: watch::Sender<bool>,
    /// Whether the root disk is mounted, and has to be sealed.
    pub(super) mounted: AtomicBool,
    /// Whether the shutdown has begun.
    pub(super) shutting_down: watch::Sender<bool>,
    pub(super) ended_by: OnceLock<EndedBy>,
    /// Set at the end of the shutdown: how many processes had to be killed.
    pub(super) killed: watch::Sender<Option<u32>>,
    /// Set at the end of the shutdown. `main.rs` then switches the machine off.
    pub(super) ended: watch::Sender<bool>,
}

impl Supervisor {
    /// A supervisor without tasks. `ended` is set when the machine is to be switched off.
    pub fn new(zygote: Zygote, host_streams: HostStreams, ended: watch::Sender<bool>) -> Self {
        let (activity, events) = (Activity::default(), Events::default());
        let executions = Executions::new(zygote.clone(), activity.clone());
        let receiver = events.clone();
        executions.on_oom(move |id| receiver.emit(oom::event(id)));
        Self(Arc::new(State {
            zygote,
            executions,
            files: Files::default(),
            activity,
            events,
            host_streams,
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
            shutting_down: watch::Sender::new(false),
            ended_by: OnceLock::new(),
            killed: watch::Sender::new(None),
            ended,
        }))
    }

    /// The zygote.
    pub fn zygote(&self) -> &Zygote {
        &self.0.zygote
    }

    /// The executions of the box.
    pub fn executions(&self) -> &Executions {
        &self.0.executions
    }

    /// The files of the container.
    pub fn files(&self) -> &Files {
        &self.0.files
    }

    /// The uses of the box.
    pub fn activity(&self) -> &Activity {
        &self.0.activity
    }

    /// Notes that the root disk was mounted, so that the shutdown leaves it clean.
    pub fn disk_mounted(&self) {
        self.0.mounted.store(true, Ordering::Relaxed);
    }

    /// Emits an event to the watchers and writes it to the journal.
    pub(super) fn emit(&self, event: Event) {
        let record = match &event {
            Event::MainStarted(started) => Record::Started(*started),
            Event::MainExited(exited) => Record::Exited(*exited),
            Event::Health(changed) => Record::Health(changed.clone()),
            Event::Limit(LimitReached { limit }) => Record::Limit(LimitReached { limit: *limit }),
            Event::Oom(_) | Event::Lost(_) => return self.0.events.emit(event),
        };
        if let Some(journal) = self.0.journal.get() {
            journal.write(record);
        }
        self.0.events.emit(event);
    }

    /// Returns when the shutdown has begun.
    pub(super) async fn shutdown_begun(&self) {
        // The sender lives in `self`.
        let _ = self.0.shutting_down.subscribe().wait_for(|shutting_down| *shutting_down).await;
    }

    pub(super) fn is_shutting_down(&self) -> bool {
        *self.0.shutting_down.borrow()
    }
}
