//! What the guest of a running box tells on its own, brought to the bus: its main process, health, want of memory, limits.
//!
//! A machine is watched by one stream from each process that holds it, and only where somebody could care: while events
//! are read, or when the box does something on its own. Others cost nothing.

use std::{
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, Ordering::AcqRel},
    },
    time::Duration,
};

use boxlite_error::BoxliteResult;
use boxlite_portal::{GuestEventKind, HealthChange, SupervisorInterface};
use tokio::runtime::Handle;

use crate::events::{EventKind, bus::EventBus};

/// Before a stream that broke is opened again; each time longer, as long as nothing comes of it.
const FIRST_PAUSE: Duration = Duration::from_millis(100);
const LONGEST_PAUSE: Duration = Duration::from_secs(5);

/// What is known of a running box from its events, and where those go.
#[derive(Debug)]
pub(crate) struct Observed {
    box_id: String,
    bus: Arc<EventBus>,
    watched: AtomicBool,
    health: Mutex<Option<HealthChange>>,
}

impl Observed {
    pub(crate) fn new(box_id: &str, bus: &Arc<EventBus>) -> Arc<Self> {
        Arc::new(Self {
            box_id: box_id.to_owned(),
            bus: Arc::clone(bus),
            watched: AtomicBool::new(false),
            health: Mutex::default(),
        })
    }

    /// Tells what happened to this box.
    pub(crate) fn tell(&self, kind: impl FnOnce() -> EventKind) {
        self.bus.tell(Some(&self.box_id), kind);
    }

    /// Whether the guest itself tells of want of memory.
    pub(crate) fn is_watched(&self) -> bool {
        self.watched.load(std::sync::atomic::Ordering::Acquire)
    }

    /// The last word on its health, if it is watched and has a check.
    pub(crate) fn health(&self) -> Option<HealthChange> {
        self.health.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Begins to watch in a task of `runtime`, unless that was done. Ends when the guest says that all is told or `gone` resolves; a stream that breaks
    /// before is opened again.
    pub(crate) fn watch(
        self: &Arc<Self>,
        runtime: &Handle,
        supervisor: SupervisorInterface,
        gone: impl Future<Output = ()> + Send + 'static,
    ) {
        if self.watched.swap(true, AcqRel) {
            return;
        }
        let this = Arc::clone(self);
        runtime.spawn(async move {
            tokio::select! {
                () = this.listen(&supervisor) => {}
                () = gone => {}
            }
            // Whoever wants to know later begins anew.
            this.watched.store(false, std::sync::atomic::Ordering::Release);
        });
    }

    /// Until the guest has told all. After a stream that broke it goes on with the event that follows the last one heard.
    async fn listen(&self, supervisor: &SupervisorInterface) {
        let (mut pause, mut heard) = (FIRST_PAUSE, None);
        loop {
            let before = heard;
            let Err(error) = self.listen_once(supervisor, &mut heard).await else { return };
            if heard != before {
                pause = FIRST_PAUSE;
            }
            tracing::debug!(box_id = self.box_id, %error, "the guest's events broke off");
            tokio::time::sleep(pause).await;
            pause = (pause * 2).min(LONGEST_PAUSE);
        }
    }

    async fn listen_once(
        &self,
        supervisor: &SupervisorInterface,
        heard: &mut Option<u64>,
    ) -> BoxliteResult<()> {
        let mut events = supervisor.watch(*heard).await?;
        while let Some(event) = events.next().await? {
            *heard = Some(event.sequence);
            self.hear(event.kind);
        }
        Ok(())
    }

    fn hear(&self, kind: GuestEventKind) {
        let id = &self.box_id;
        match kind {
            GuestEventKind::MainStarted { pid, restarts } => {
                tracing::info!(box_id = id, pid, restarts, "main process runs");
                self.tell(|| EventKind::MainStarted { pid, restarts });
            }
            GuestEventKind::MainExited(exit) => {
                tracing::info!(
                    box_id = id,
                    code = exit.code,
                    signal = exit.signal,
                    oom = exit.oom,
                    restarts = exit.restarts,
                    "main process ended"
                );
                self.tell(|| EventKind::MainExited(exit));
            }
            GuestEventKind::Health(change) => {
                tracing::info!(box_id = id, health = ?change.health, failures = change.failures, "health changed");
                *self.health.lock().unwrap_or_else(PoisonError::into_inner) = Some(change.clone());
                self.tell(|| EventKind::Health(change));
            }
            GuestEventKind::OutOfMemory { execution_id } => {
                tracing::warn!(box_id = id, execution_id, "out of memory");
                self.tell(|| EventKind::OutOfMemory { execution_id });
            }
            GuestEventKind::Limit(limit) => {
                tracing::info!(box_id = id, ?limit, "a limit ends the box");
                self.tell(|| EventKind::Limit(limit));
            }
            GuestEventKind::Lost(count) => self.tell(|| EventKind::Lost(count)),
        }
    }
}
