//! The machine that this process holds: which one that is, the task that watches for its end, and why calls to its guest fail.
//! Called by whatever needs a machine that runs already.

use std::sync::{Arc, atomic::Ordering};

use boxlite_error::{BoxliteResult, ErrorCode};

use crate::{
    in_context::in_context,
    litebox::{
        core::BoxCore,
        lifecycle::{
            local_state::LocalState,
            machine::Machine,
            state::{BoxState, Operation, Rule},
            transition::Transition,
            transition_log,
        },
    },
};

impl BoxCore {
    /// The machine that this process holds, while it runs.
    pub(in crate::litebox) fn held(&self) -> Option<Arc<Machine>> {
        self.local().machine()
    }

    /// Keeps `machine` as the one that this process holds.
    pub(in crate::litebox) fn hold(self: &Arc<Self>, local: &mut LocalState, machine: &Arc<Machine>) {
        *local = LocalState::Running(Arc::clone(machine));
        self.home.metrics.count(|counters| counters.boxes_running += 1);
        self.home.spawn(Arc::clone(self).watch(Arc::clone(machine)));
        self.observe(machine);
    }

    /// The machine if one runs, whoever started it. A transition under way is awaited; nothing is started.
    pub(in crate::litebox) async fn running(self: &Arc<Self>) -> BoxliteResult<Option<Arc<Machine>>> {
        self.home.check_open()?;
        if let Some(machine) = self.held() {
            return Ok(Some(machine));
        }
        let observed = self.observed_state().await?;
        if Operation::Wait.rule(observed.record.state) == Rule::Nothing {
            return Ok(None);
        }
        let Some(machine) = Transition::begin(self).await?.join()? else { return Ok(None) };
        let machine = Arc::new(machine);
        let mut local = self.local();
        if let Some(first) = local.machine() {
            return Ok(Some(first));
        }
        // Whoever changes the box in this process finds the machine by itself.
        if matches!(*local, LocalState::Idle) {
            self.hold(&mut local, &machine);
        }
        Ok(Some(machine))
    }

    /// Notes the end of a machine that this process did not end.
    async fn watch(self: Arc<Self>, machine: Arc<Machine>) {
        let outcome = tokio::select! {
            outcome = machine.shim.ended() => outcome,
            () = self.home.closed() => return,
        };
        // Whoever ended it: a removal leaves that to this task.
        if let Some(network) = &machine.network {
            network.ended(&self.home.metrics).await;
        }
        {
            let mut local = self.local();
            if !matches!(&*local, LocalState::Running(current) if Arc::ptr_eq(current, &machine)) {
                return;
            }
            *local = LocalState::Idle;
        }
        self.home.metrics.count(|counters| counters.boxes_running -= 1);
        // The next transition corrects the record; this one does nothing else.
        let settled = Transition::begin_after(&self, outcome.ok()).await;
        if let Err(error) = settled.map(drop) {
            tracing::debug!(box_id = self.id, %error, "after the end of a machine");
            if error.code() == ErrorCode::BoxRemoved && !self.removed_here.load(Ordering::Acquire) {
                // By another process.
                self.set_removed();
                transition_log::removed(&self.home.events, &self.config(), BoxState::Running);
            }
        }
    }

    /// Awaits a call of the guest; an error says why it failed. Whoever removes a box ends its machine first, which breaks connections;
    /// once the remover has released the box's lock, it is known whether the box is gone. A `call` of kilobytes is pinned where it is made:
    /// it would be moved from layer to layer.
    pub(in crate::litebox) async fn explained<T>(
        self: &Arc<Self>,
        machine: &Machine,
        call: impl Future<Output = BoxliteResult<T>>,
    ) -> BoxliteResult<T> {
        let answer = machine.explained(call).await;
        let lost = answer.as_ref().is_err_and(|error| error.code() == ErrorCode::PortalLost);
        let Some(outcome) = machine.outcome().filter(|_| lost) else { return answer };
        match in_context(&self.home.handle, Transition::begin_after(self, Some(outcome))).await {
            Err(removed) if removed.code() == ErrorCode::BoxRemoved => Err(removed),
            _ => answer,
        }
    }
}
