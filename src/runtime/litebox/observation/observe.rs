//! Decides when a guest's events are watched, and returns a box's events and health. Called by `LiteBox` and `BoxliteRuntime`.

use std::{sync::Arc, time::Duration};

use boxlite_error::BoxliteResult;
use boxlite_portal::Health;

use crate::{
    events::bus::EventStream,
    litebox::{
        core::BoxCore,
        lifecycle::{machine::Machine, state::BoxState},
    },
    options::supervision::{HealthOption, SupervisionOptions},
    state::{journal::reader::Journal, record::BoxRecord},
};

/// How long a machine's last events may take to arrive after its end.
const LAST_EVENTS: Duration = Duration::from_secs(2);

impl BoxCore {
    /// Returns a reader of this box's later events, as far as this process causes or sees them.
    pub(in crate::litebox) fn events(&self) -> EventStream {
        let stream = self.home.events.read(Some(self.id.clone()));
        self.observe_held();
        stream
    }

    /// Returns the last health that the guest reported to this process, else the one that the journal holds of this run.
    pub(in crate::litebox) fn health(
        &self,
        supervision: &SupervisionOptions,
        record: &BoxRecord,
    ) -> BoxliteResult<Option<Health>> {
        if let Some(change) = self.held().and_then(|machine| machine.watcher.health()) {
            return Ok(Some(change.health));
        }
        match &record.machine {
            Some(machine)
                if record.state == BoxState::Running
                    && *supervision != SupervisionOptions::default()
                    && supervision.health != HealthOption::Off =>
            {
                Journal::of(&self.paths).last_health(machine.started_at_unix_ns())
            }
            _ => Ok(None),
        }
    }

    /// Forwards the guest's events to the bus if events are read or the box is supervised, and what its network refuses if they are read.
    pub(in crate::litebox) fn observe(&self, machine: &Arc<Machine>) {
        let home = &self.home;
        if let Some(network) = machine.network.as_ref().filter(|_| home.events.has_readers()) {
            let (home, ending) = (Arc::clone(home), Arc::clone(machine));
            network.watch(&machine.handle, async move {
                tokio::select! {
                    () = home.closed() => {}
                    _ = ending.shim.ended() => {}
                }
            });
        }
        if home.events.has_readers() || self.config().options.supervision != SupervisionOptions::default() {
            let (home, ending) = (Arc::clone(home), Arc::clone(machine));
            machine.watcher.watch(&machine.handle, machine.session.supervisor(), async move {
                let ended = async {
                    let _ = ending.shim.ended().await;
                    tokio::time::sleep(LAST_EVENTS).await;
                };
                tokio::select! {
                    () = home.closed() => {}
                    () = ended => {}
                }
            });
        }
    }

    /// Calls `observe` for the machine that this process holds, if there is one.
    pub(crate) fn observe_held(&self) {
        if let Some(machine) = self.held() {
            self.observe(&machine);
        }
    }
}
