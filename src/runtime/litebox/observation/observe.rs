//! A box's events, and when its guest is asked for those that only it knows. Part of [`LiteBox`] and [`BoxliteRuntime`].

use std::{sync::Arc, time::Duration};

use boxlite_error::BoxliteResult;
use boxlite_portal::Health;

use crate::{
    events::bus::EventStream,
    litebox::{
        handle::LiteBox,
        lifecycle::{machine::Machine, state::BoxState},
    },
    options::supervision::{HealthOption, SupervisionOptions},
    runtime::BoxliteRuntime,
    state::{journal::reader::Journal, record::BoxRecord},
};

/// How long what a machine told last may still be on its way here.
const LAST_EVENTS: Duration = Duration::from_secs(2);

impl LiteBox {
    /// What happens to this box from now on, as far as this process has a part in it.
    pub fn events(&self) -> EventStream {
        let stream = self.inner.shared.events.read(Some(self.inner.id.clone()));
        self.observe_here();
        stream
    }

    /// The last word on its health: what its guest told this process, else what the journal has of this run.
    pub(in crate::litebox) fn health(
        &self,
        supervision: &SupervisionOptions,
        record: &BoxRecord,
    ) -> BoxliteResult<Option<Health>> {
        if let Some(change) = self.here().and_then(|machine| machine.observed.health()) {
            return Ok(Some(change.health));
        }
        match &record.machine {
            Some(machine)
                if record.state == BoxState::Running
                    && *supervision != SupervisionOptions::default()
                    && supervision.health != HealthOption::Off =>
            {
                Journal::of(&self.inner.paths).last_health(machine.started_at_unix_ns())
            }
            _ => Ok(None),
        }
    }

    /// Has the events of a running machine's guest brought here, if somebody could care. A box that nobody looks at and
    /// that does nothing on its own is left alone.
    pub(in crate::litebox) fn observe(&self, machine: &Arc<Machine>) {
        let shared = &self.inner.shared;
        if shared.events.has_readers()
            || self.inner.config().options.supervision != SupervisionOptions::default()
        {
            let (shared, ending) = (Arc::clone(shared), Arc::clone(machine));
            machine.observed.watch(machine.session.supervisor(), async move {
                let ended = async {
                    let _ = ending.shim.ended().await;
                    tokio::time::sleep(LAST_EVENTS).await;
                };
                tokio::select! {
                    () = shared.closed() => {}
                    () = ended => {}
                }
            });
        }
    }

    fn observe_here(&self) {
        if let Some(machine) = self.here() {
            self.observe(&machine);
        }
    }
}

impl BoxliteRuntime {
    /// What happens to boxes and images from now on, as far as this process has a part in it. Call it on a tokio thread.
    pub fn events(&self) -> BoxliteResult<EventStream> {
        self.check_open()?;
        let stream = self.shared.events.read(None);
        for litebox in self.shared.boxes.known() {
            litebox.observe_here();
        }
        Ok(stream)
    }
}
