//! How a box's machine is ended: by `stop`, and with the runtime that started it.

use std::{sync::Arc, time::Duration};

use boxlite_error::BoxliteResult;
use tokio::time::timeout;

use crate::litebox::{
    core::{BoxCore, accept_removal},
    lifecycle::{
        local_state::LocalState,
        machine::Machine,
        start::Cut,
        state::{BoxState, Operation, Rule},
        task::Task,
        transition::Transition,
    },
};

/// How long each step of [`BoxCore::force_kill`] may take.
const FORCE_KILL: Duration = Duration::from_millis(500);

/// What a caller of a stop does next.
enum Next {
    AwaitStart(Task<Arc<Machine>>),
    AwaitStop(Task<()>),
}

impl BoxCore {
    /// Ends the machine if there is one, whoever started it. Processes get `grace` between SIGTERM and SIGKILL.
    pub(in crate::litebox) async fn stop(self: &Arc<Self>, grace: Duration) -> BoxliteResult<()> {
        loop {
            let idle = matches!(&*self.local(), LocalState::Idle);
            if idle {
                let observed = self.observed_state().await?;
                if Operation::Stop.rule(observed.record.state) == Rule::Nothing && !observed.stale {
                    return self.check_exists().await;
                }
            }
            match self.begin_stop(grace) {
                Next::AwaitStop(task) => return task.result().await,
                // If the start fails there is nothing to stop, and its caller gets the error.
                Next::AwaitStart(task) => drop(task.result().await),
            }
        }
    }

    fn begin_stop(self: &Arc<Self>, grace: Duration) -> Next {
        let mut local = self.local();
        let held = match &*local {
            LocalState::Starting(start) => return Next::AwaitStart(start.task.clone()),
            LocalState::Stopping(task, _) => return Next::AwaitStop(task.clone()),
            LocalState::Running(machine) => Some(Arc::clone(machine)),
            LocalState::Idle => None,
        };
        let (this, machine) = (Arc::clone(self), held.clone());
        let task = Task::spawn(&self.home, async move {
            let counted = machine.is_some();
            let result = this.end(machine, grace).await;
            if counted {
                this.home.metrics.count(|counters| counters.boxes_running -= 1);
            }
            *this.local() = LocalState::Idle;
            accept_removal(result)
        });
        *local = LocalState::Stopping(task.clone(), held);
        Next::AwaitStop(task)
    }

    async fn end(self: &Arc<Self>, held: Option<Arc<Machine>>, grace: Duration) -> BoxliteResult<()> {
        let mut transition = Transition::begin(self).await?;
        let held = held.filter(|machine| machine.outcome().is_none());
        let machine = match (held, transition.state()) {
            (Some(machine), BoxState::Running) => machine,
            _ => match transition.join()? {
                Some(machine) => Arc::new(machine),
                None => return Ok(()),
            },
        };
        transition.stopping().await;
        if let Some(network) = &machine.network {
            // The last chance to ask for its counters, if its shim records none.
            let _ = network.metrics(&self.home.metrics).await;
        }
        let outcome = machine.stop(grace).await;
        if let Some(network) = &machine.network {
            network.ended(&self.home.metrics).await;
        }
        transition.stopped().await?;
        outcome.map(|outcome| tracing::debug!(box_id = self.id, how = outcome.describe(), "box stopped"))
    }

    /// Ends what of this box ends with this process. The start of an attached box is given up; that of a detached box is awaited, and
    /// the box goes on.
    pub(crate) async fn shutdown(self: &Arc<Self>, grace: Duration) -> BoxliteResult<()> {
        let starting = match &*self.local() {
            LocalState::Starting(start) => Some(start.clone()),
            _ => None,
        };
        if let Some(start) = starting {
            if !self.config().options.detached {
                start.handle.cut(Cut::Closed);
            }
            let _ = start.task.result().await;
        }
        if !self.is_ours() {
            return Ok(());
        }
        accept_removal(self.stop(grace).await)
    }

    /// Kills what [`shutdown`](Self::shutdown) could not end in time. Takes two seconds at most.
    pub(crate) async fn force_kill(self: &Arc<Self>) {
        tracing::warn!(box_id = self.id, "the box did not end in time; it is killed");
        let (starting, machine) = match &*self.local() {
            LocalState::Starting(start) => {
                start.handle.cut(Cut::Closed);
                (Some(start.task.clone()), None)
            }
            LocalState::Stopping(task, machine) => {
                task.abort();
                (None, machine.clone())
            }
            LocalState::Running(machine) => (None, Some(Arc::clone(machine))),
            LocalState::Idle => (None, None),
        };
        if let Some(task) = starting
            && timeout(FORCE_KILL, task.clone().result()).await.is_err()
        {
            task.abort();
        }
        if let Some(machine) = machine {
            machine.shim.kill_on_request("its runtime was closed");
            if let Err(error) = machine.shim.ended_within(FORCE_KILL).await {
                tracing::warn!(box_id = self.id, %error, "the box was killed and is still there");
            }
        }
        // Corrects what was left half done. Another process that has the lock does that itself.
        let _ = timeout(FORCE_KILL, Transition::begin(self)).await;
    }

    /// Whether something of this box ends with this process.
    pub(crate) fn is_ours(&self) -> bool {
        self.local().is_ours()
    }
}
