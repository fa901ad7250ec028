//! A box's way up and down. Each transition runs as a task of its own, once; whoever wants its result waits for that
//! task, so a caller that goes away never leaves a machine half made.

use std::{sync::Arc, time::Duration};

use futures::{
    FutureExt,
    future::{BoxFuture, Shared},
};

use super::{BoxState, LiteBox, Machine};
use crate::{BoxliteError, BoxliteResult, ErrorCode, pipeline::Started, shim::ShimOutcome};

/// What is going on with a box in this process.
#[derive(Debug, Default)]
pub(super) enum Phase {
    /// No machine.
    #[default]
    Idle,
    /// The pipeline is at work.
    Starting(Task<Arc<Machine>>),
    /// A machine runs, or ended a moment ago.
    Running(Arc<Machine>),
    /// The machine is being ended.
    Stopping(Task<()>),
    /// The box is gone.
    Removed,
}

/// A transition under way, for any number of waiters.
type Task<T> = Shared<BoxFuture<'static, BoxliteResult<T>>>;

impl Phase {
    /// The machine that runs, if one does.
    pub(super) fn machine(&self) -> Option<&Arc<Machine>> {
        match self {
            Self::Running(machine) => Some(machine),
            _ => None,
        }
    }
}

/// What a caller does next.
enum Next<T> {
    Done(T),
    AwaitStart(Task<Arc<Machine>>),
    AwaitStop(Task<()>),
}

impl LiteBox {
    /// The running machine; starts it if there is none.
    pub(super) async fn machine(&self) -> BoxliteResult<Arc<Machine>> {
        loop {
            match self.go_up()? {
                Next::Done(machine) => return Ok(machine),
                Next::AwaitStart(task) => return task.await,
                // However the stop went, there is no machine after it.
                Next::AwaitStop(task) => drop(task.await),
            }
        }
    }

    fn go_up(&self) -> BoxliteResult<Next<Arc<Machine>>> {
        self.inner.shared.check_open()?;
        let mut status = self.inner.status();
        match &status.phase {
            Phase::Running(machine) if machine.outcome().is_none() => {
                return Ok(Next::Done(Arc::clone(machine)));
            }
            Phase::Starting(task) => return Ok(Next::AwaitStart(task.clone())),
            Phase::Stopping(task) => return Ok(Next::AwaitStop(task.clone())),
            Phase::Removed => return Err(self.removed()),
            Phase::Idle => {}
            // Its watcher has not come round yet.
            Phase::Running(_) => self.inner.shared.metrics.count_ended(),
        }
        status.note(BoxState::Starting, None, &self.inner.paths);
        let this = self.clone();
        let task = run(async move {
            let result = this.pipeline().run().await;
            this.went_up(result)
        });
        status.phase = Phase::Starting(task.clone());
        Ok(Next::AwaitStart(task))
    }

    fn went_up(&self, result: BoxliteResult<Started>) -> BoxliteResult<Arc<Machine>> {
        let mut status = self.inner.status();
        match result {
            Ok(Started { machine, config, lease: _lease }) => {
                let machine = Arc::new(machine);
                *self.inner.config.lock().unwrap_or_else(std::sync::PoisonError::into_inner) = config;
                status.phase = Phase::Running(Arc::clone(&machine));
                status.note(BoxState::Running, None, &self.inner.paths);
                self.inner.shared.metrics.count_started();
                tokio::spawn(self.clone().watch(Arc::clone(&machine)));
                Ok(machine)
            }
            Err(error) => {
                status.phase = Phase::Idle;
                status.note(BoxState::Failed, Some(error.to_string()), &self.inner.paths);
                self.inner.shared.metrics.count_failed();
                Err(error)
            }
        }
    }

    /// Notes the end of a machine that nobody asked to end.
    async fn watch(self, machine: Arc<Machine>) {
        let Ok(outcome) = machine.shim.ended().await else { return };
        let mut status = self.inner.status();
        if !matches!(&status.phase, Phase::Running(current) if Arc::ptr_eq(current, &machine)) {
            return;
        }
        status.phase = Phase::Idle;
        self.inner.paths.remove_sockets();
        self.inner.shared.metrics.count_ended();
        if outcome.powered_off() {
            status.note(BoxState::Stopped, None, &self.inner.paths);
        } else {
            tracing::warn!(id = self.inner.id, reason = outcome.describe(), "box ended on its own");
            status.note(BoxState::Failed, Some(outcome.describe()), &self.inner.paths);
            self.inner.shared.metrics.count_failed();
        }
    }

    /// Ends the machine if there is one; processes get `grace` between SIGTERM and SIGKILL.
    pub(crate) async fn bring_down(&self, grace: Duration) -> BoxliteResult<()> {
        loop {
            match self.go_down(grace)? {
                Next::Done(()) => return Ok(()),
                Next::AwaitStop(task) => return task.await,
                // If the start fails there is nothing to stop, and its caller is told why.
                Next::AwaitStart(task) => drop(task.await),
            }
        }
    }

    fn go_down(&self, grace: Duration) -> BoxliteResult<Next<()>> {
        let mut status = self.inner.status();
        let machine = match &status.phase {
            Phase::Idle => return Ok(Next::Done(())),
            Phase::Starting(task) => return Ok(Next::AwaitStart(task.clone())),
            Phase::Stopping(task) => return Ok(Next::AwaitStop(task.clone())),
            Phase::Removed => return Err(self.removed()),
            Phase::Running(machine) => Arc::clone(machine),
        };
        status.note(BoxState::Stopping, None, &self.inner.paths);
        let this = self.clone();
        let task = run(async move {
            let outcome = machine.stop(grace).await;
            this.went_down(outcome)
        });
        status.phase = Phase::Stopping(task.clone());
        Ok(Next::AwaitStop(task))
    }

    fn went_down(&self, outcome: BoxliteResult<ShimOutcome>) -> BoxliteResult<()> {
        let mut status = self.inner.status();
        status.phase = Phase::Idle;
        status.note(BoxState::Stopped, None, &self.inner.paths);
        self.inner.paths.remove_sockets();
        self.inner.shared.metrics.count_ended();
        outcome.map(|outcome| tracing::debug!(id = self.inner.id, how = outcome.describe(), "box stopped"))
    }

    /// Makes the box unusable, for its removal. A running one needs `force` and is killed.
    pub(super) async fn retire(&self, force: bool) -> BoxliteResult<()> {
        loop {
            let wait = {
                let mut status = self.inner.status();
                match &status.phase {
                    Phase::Removed => return Err(self.removed()),
                    Phase::Idle => {
                        status.phase = Phase::Removed;
                        return Ok(());
                    }
                    _ if !force => return Err(self.in_state(status.record.state, "remove")),
                    Phase::Starting(task) => Next::AwaitStart(task.clone()),
                    Phase::Stopping(task) => Next::AwaitStop(task.clone()),
                    Phase::Running(machine) => {
                        let machine = Arc::clone(machine);
                        status.phase = Phase::Removed;
                        Next::Done(machine)
                    }
                }
            };
            match wait {
                Next::AwaitStart(task) => drop(task.await),
                Next::AwaitStop(task) => drop(task.await),
                Next::Done(machine) => {
                    machine.shim.kill();
                    self.inner.shared.metrics.count_ended();
                    return machine.shim.ended().await.map(drop);
                }
            }
        }
    }

    fn removed(&self) -> BoxliteError {
        BoxliteError::new(ErrorCode::BoxRemoved, format!("use box `{}`: it was removed", self.inner.id))
    }

    fn in_state(&self, state: BoxState, operation: &str) -> BoxliteError {
        let allowed =
            [BoxState::Created, BoxState::Stopped, BoxState::Failed].map(BoxState::as_str).join(", ");
        BoxliteError::new(
            ErrorCode::BoxState,
            format!("{operation} box `{}`: it is {state}, which must be one of {allowed}", self.inner.id),
        )
        .hint("stop it first, or remove it with `force`")
    }
}

/// Runs a transition to its end, whether or not anybody waits.
fn run<T: Clone + Send + Sync + 'static>(
    transition: impl Future<Output = BoxliteResult<T>> + Send + 'static,
) -> Task<T> {
    let task = tokio::spawn(transition);
    async move {
        task.await.unwrap_or_else(|panic| {
            Err(BoxliteError::new(ErrorCode::Internal, "change the state of a box").caused_by(panic))
        })
    }
    .boxed()
    .shared()
}
