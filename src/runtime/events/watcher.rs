//! `GuestWatcher`: forwards a guest's own events to the bus: main process, health, out of memory, limits. Called by `observe`.
//!
//! Each process opens at most one stream for each machine, and only while events are read or if the box is supervised.

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

/// The pause before a broken stream is opened again. It doubles until an event arrives.
const FIRST_PAUSE: Duration = Duration::from_millis(100);
const LONGEST_PAUSE: Duration = Duration::from_secs(5);

/// Watches the events of one machine and remembers its health.
#[derive(Debug)]
pub(crate) struct GuestWatcher {
    box_id: String,
    bus: Arc<EventBus>,
    watched: AtomicBool,
    health: Mutex<Option<HealthChange>>,
}

impl GuestWatcher {
    pub(crate) fn new(box_id: &str, bus: &Arc<EventBus>) -> Arc<Self> {
        Arc::new(Self {
            box_id: box_id.to_owned(),
            bus: Arc::clone(bus),
            watched: AtomicBool::new(false),
            health: Mutex::default(),
        })
    }

    /// Sends an event of this box to the bus.
    pub(crate) fn emit(&self, kind: impl FnOnce() -> EventKind) {
        self.bus.emit(Some(&self.box_id), kind);
    }

    /// Returns whether the guest's own events, such as out of memory, are being forwarded.
    pub(crate) fn is_watched(&self) -> bool {
        self.watched.load(std::sync::atomic::Ordering::Acquire)
    }

    /// Returns the last reported health, if the box is watched and has a check.
    pub(crate) fn health(&self) -> Option<HealthChange> {
        self.health.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Starts a task on `runtime` that watches, unless one does. It ends when the guest ends its events or `ended` resolves. A
    /// stream that breaks before is opened again.
    pub(crate) fn watch(
        self: &Arc<Self>,
        runtime: &Handle,
        supervisor: SupervisorInterface,
        ended: impl Future<Output = ()> + Send + 'static,
    ) {
        if self.watched.swap(true, AcqRel) {
            return;
        }
        let this = Arc::clone(self);
        runtime.spawn(async move {
            tokio::select! {
                () = this.follow(&supervisor) => {}
                () = ended => {}
            }
            // A later call of `watch` starts anew.
            this.watched.store(false, std::sync::atomic::Ordering::Release);
        });
    }

    /// Returns when the guest has ended its events. After a broken stream it resumes behind the last event.
    async fn follow(&self, supervisor: &SupervisorInterface) {
        let (mut pause, mut last) = (FIRST_PAUSE, None);
        loop {
            let before = last;
            let Err(error) = self.follow_once(supervisor, &mut last).await else { return };
            if last != before {
                pause = FIRST_PAUSE;
            }
            tracing::debug!(box_id = self.box_id, %error, "the guest's events broke off");
            tokio::time::sleep(pause).await;
            pause = (pause * 2).min(LONGEST_PAUSE);
        }
    }

    async fn follow_once(
        &self,
        supervisor: &SupervisorInterface,
        last: &mut Option<u64>,
    ) -> BoxliteResult<()> {
        let mut events = supervisor.watch(*last).await?;
        while let Some(event) = events.next().await? {
            *last = Some(event.sequence);
            self.publish(event.kind);
        }
        Ok(())
    }

    fn publish(&self, kind: GuestEventKind) {
        let id = &self.box_id;
        match kind {
            GuestEventKind::MainStarted { pid, restarts } => {
                tracing::info!(box_id = id, pid, restarts, "main process runs");
                self.emit(|| EventKind::MainStarted { pid, restarts });
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
                self.emit(|| EventKind::MainExited(exit));
            }
            GuestEventKind::Health(change) => {
                tracing::info!(box_id = id, health = ?change.health, failures = change.failures, "health changed");
                *self.health.lock().unwrap_or_else(PoisonError::into_inner) = Some(change.clone());
                self.emit(|| EventKind::Health(change));
            }
            GuestEventKind::OutOfMemory { execution_id } => {
                tracing::warn!(box_id = id, execution_id, "out of memory");
                self.emit(|| EventKind::OutOfMemory { execution_id });
            }
            GuestEventKind::Limit(limit) => {
                tracing::info!(box_id = id, ?limit, "a limit ends the box");
                self.emit(|| EventKind::Limit(limit));
            }
            GuestEventKind::Lost(count) => self.emit(|| EventKind::Lost(count)),
        }
    }
}
