//! `SupervisorInterface`: the host's client of the guest's supervisor: events, figures, and changes while the box runs.

use boxlite_error::BoxliteResult;
use boxlite_proto::v1::{
    AmendRequest, BoxEvent, MainStarted, MetricsRequest, MetricsResponse, OutOfMemory, WatchRequest,
    box_event::Event, supervisor_client::SupervisorClient,
};
use boxlite_wire::limits;
use tonic::{Streaming, transport::Channel};

use crate::{
    call::{answered, timed},
    status::from_status,
    supervision::{HealthChange, Limit, MainExit},
};

/// Calls of the `Supervisor` service. Figures and changes are the protocol's own messages, since types of this crate with the same
/// fields would check nothing.
#[derive(Debug, Clone)]
pub struct SupervisorInterface {
    pub(crate) client: SupervisorClient<Channel>,
}

/// Something that happened in a box.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GuestEvent {
    /// What a later watch names to go on after it.
    pub sequence: u64,
    /// What happened.
    pub kind: GuestEventKind,
}

/// What happened.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum GuestEventKind {
    /// The main process runs. A later watcher gets it first. `restarts` is 0 for the first run.
    MainStarted {
        /// Its pid inside the box.
        pid: u32,
        /// How often it was started again.
        restarts: u32,
    },
    /// The main process ended.
    MainExited(MainExit),
    /// The health changed. A later watcher gets it first.
    Health(HealthChange),
    /// The kernel killed a process for want of memory; of this execution, where that is known.
    OutOfMemory {
        /// The execution that it belonged to, where that is known.
        execution_id: Option<String>,
    },
    /// A limit ends the box now.
    Limit(Limit),
    /// So many events were lost, since this reader was slow or away.
    Lost(u64),
}

impl SupervisorInterface {
    /// Returns the events after the event `after`, else the current state, and then later events until the machine ends.
    ///
    /// # Errors
    /// Fails as the connection or the guest does: `PORTAL_LOST`, `RPC`.
    pub async fn watch(&self, after: Option<u64>) -> BoxliteResult<GuestEvents> {
        let answer = self.client.clone().watch(WatchRequest { after }).await;
        answered("watch the box", answer).map(GuestEvents)
    }

    /// Returns the current figures.
    ///
    /// # Errors
    /// `GUEST_TIMEOUT`, `PORTAL_LOST` or `RPC`.
    pub async fn metrics(&self) -> BoxliteResult<MetricsResponse> {
        answered("measure the box", self.client.clone().metrics(timed(MetricsRequest {})).await)
    }

    /// Changes what can change while the box runs. The call restarts its idle time even if nothing changes.
    ///
    /// # Errors
    /// `GUEST_TIMEOUT`, `PORTAL_LOST` or `RPC`.
    pub async fn amend(&self, request: AmendRequest) -> BoxliteResult<()> {
        answered("change the box", self.client.clone().amend(timed(request)).await).map(drop)
    }
}

/// The events of one box. Each is fetched by `next`, so a guest that floods fills no memory here.
#[derive(Debug)]
pub struct GuestEvents(Streaming<BoxEvent>);

impl GuestEvents {
    /// Returns the next event, or `None` when the machine ends. It skips unknown events and is cancel safe.
    ///
    /// # Errors
    /// `PORTAL_LOST` or `RPC`.
    pub async fn next(&mut self) -> BoxliteResult<Option<GuestEvent>> {
        loop {
            let event = self.0.message().await.map_err(|status| from_status("watch the box", &status))?;
            let Some(BoxEvent { event, sequence, .. }) = event else { return Ok(None) };
            if let Some(kind) = event.and_then(known_kind) {
                return Ok(Some(GuestEvent { sequence, kind }));
            }
        }
    }
}

fn known_kind(event: Event) -> Option<GuestEventKind> {
    Some(match event {
        Event::MainStarted(MainStarted { pid, restarts }) => GuestEventKind::MainStarted { pid, restarts },
        Event::MainExited(exited) => GuestEventKind::MainExited(exited.into()),
        Event::Health(changed) => GuestEventKind::Health(HealthChange::from_guest(changed)?),
        Event::Oom(OutOfMemory { execution_id }) => {
            let plain = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_' || byte == b'-';
            let known = !execution_id.is_empty()
                && execution_id.len() <= limits::EXECUTION_ID
                && execution_id.bytes().all(plain);
            GuestEventKind::OutOfMemory { execution_id: known.then_some(execution_id) }
        }
        Event::Limit(reached) => GuestEventKind::Limit(Limit::from_guest(reached)?),
        Event::Lost(count) => GuestEventKind::Lost(count),
    })
}
