//! A box's way up and down. Within this process each transition runs as a task of its own, once; whoever wants its result
//! waits for that task, so a caller that goes away never leaves a machine half made. Between processes a `Transition`
//! keeps the order, and `state` says what each operation means.

use std::{sync::Arc, time::Duration};

use futures::{
    FutureExt,
    future::{BoxFuture, Shared},
};
use tokio::task::AbortHandle;

use super::{
    BoxState, LiteBox, Machine, Standing, Transition,
    state::{Operation, Rule},
};
use crate::{BoxliteError, BoxliteResult, ErrorCode, blocking::blocking, pipeline::Started};

/// What is going on with a box in this process.
#[derive(Debug, Default)]
pub(super) enum Phase {
    /// Nothing. The box may run all the same: then another process started it.
    #[default]
    Idle,
    /// It is being started, or joined.
    Starting(Task<Arc<Machine>>),
    /// A machine runs, or ended a moment ago.
    Running(Arc<Machine>),
    /// The machine is being ended; here it is, if this process held it.
    Stopping(Task<()>, Option<Arc<Machine>>),
    /// The box is gone.
    Removed,
}

/// A transition under way, for any number of waiters.
#[derive(Debug, Clone)]
pub(super) struct Task<T: Clone> {
    result: Shared<BoxFuture<'static, BoxliteResult<T>>>,
    abort: AbortHandle,
}

impl<T: Clone> Task<T> {
    /// Drops all that the transition holds, at its next await.
    pub(super) fn abort(&self) {
        self.abort.abort();
    }
}

/// What a caller does next.
enum Next<T> {
    Done(T),
    AwaitStart(Task<Arc<Machine>>),
    AwaitStop(Task<()>),
}

impl LiteBox {
    /// The running machine; joins it, or starts it if there is none.
    pub(super) async fn machine(&self) -> BoxliteResult<Arc<Machine>> {
        loop {
            match self.go_up()? {
                Next::Done(machine) => return Ok(machine),
                Next::AwaitStart(task) => return task.result.await,
                // However the stop went, there is no machine after it.
                Next::AwaitStop(task) => drop(task.result.await),
            }
        }
    }

    fn go_up(&self) -> BoxliteResult<Next<Arc<Machine>>> {
        self.inner.shared.check_open()?;
        let mut status = self.inner.status();
        match &*status {
            Phase::Running(machine) if machine.outcome().is_none() => {
                return Ok(Next::Done(Arc::clone(machine)));
            }
            Phase::Starting(task) => return Ok(Next::AwaitStart(task.clone())),
            Phase::Stopping(task, _) => return Ok(Next::AwaitStop(task.clone())),
            Phase::Removed => return Err(self.removed()),
            Phase::Idle => {}
            // Its watcher has not come round yet.
            Phase::Running(_) => self.inner.shared.metrics.count_ended(),
        }
        let this = self.clone();
        let task = run(async move {
            let result = this.bring_up().await;
            this.went_up(result)
        });
        *status = Phase::Starting(task.clone());
        Ok(Next::AwaitStart(task))
    }

    async fn bring_up(&self) -> BoxliteResult<Machine> {
        let mut transition = Transition::begin(self).await?;
        if Operation::Start.rule(transition.state()) == Rule::Nothing
            && let Some(machine) = transition.join()?
        {
            return Ok(machine);
        }
        self.inner.shared.check_open()?;
        transition.starting()?;
        let started = self.pipeline(transition.config.clone()).run().await;
        let machine = started.and_then(|Started { mut machine, lease: _lease }| {
            transition.started(machine.record.clone())?;
            if transition.config.options.detached {
                machine.shim.let_go();
            }
            Ok(machine)
        });
        if let Err(error) = &machine {
            transition.failed(error);
            self.inner.shared.metrics.count_failed();
        }
        machine
    }

    fn went_up(&self, result: BoxliteResult<Machine>) -> BoxliteResult<Arc<Machine>> {
        let mut status = self.inner.status();
        match result {
            Ok(machine) => {
                let machine = Arc::new(machine);
                self.hold(&mut status, &machine);
                Ok(machine)
            }
            Err(error) => {
                *status = after(&error);
                Err(error)
            }
        }
    }

    fn hold(&self, status: &mut Phase, machine: &Arc<Machine>) {
        *status = Phase::Running(Arc::clone(machine));
        self.inner.shared.metrics.count_started();
        tokio::spawn(self.clone().watch(Arc::clone(machine)));
        self.observe(machine);
    }

    /// The machine if one runs, whoever started it. A transition under way is awaited; nothing is started.
    pub(super) async fn running(&self) -> BoxliteResult<Option<Arc<Machine>>> {
        self.inner.shared.check_open()?;
        if let Some(machine) = self.here() {
            return Ok(Some(machine));
        }
        let standing = self.standing()?;
        if Operation::Wait.rule(standing.record.state) == Rule::Nothing {
            return Ok(None);
        }
        let Some(machine) = Transition::begin(self).await?.join()? else { return Ok(None) };
        let machine = Arc::new(machine);
        let mut status = self.inner.status();
        match &*status {
            Phase::Running(first) if first.outcome().is_none() => return Ok(Some(Arc::clone(first))),
            Phase::Idle => self.hold(&mut status, &machine),
            // Whoever is at it finds the machine by itself.
            _ => {}
        }
        Ok(Some(machine))
    }

    /// The machine that this process holds, while it runs.
    pub(super) fn here(&self) -> Option<Arc<Machine>> {
        match &*self.inner.status() {
            Phase::Running(machine) if machine.outcome().is_none() => Some(Arc::clone(machine)),
            _ => None,
        }
    }

    /// Notes the end of a machine that this process did not end.
    async fn watch(self, machine: Arc<Machine>) {
        let outcome = tokio::select! {
            outcome = machine.shim.ended() => outcome,
            () = self.inner.shared.closed() => return,
        };
        {
            let mut status = self.inner.status();
            if !matches!(&*status, Phase::Running(current) if Arc::ptr_eq(current, &machine)) {
                return;
            }
            *status = Phase::Idle;
        }
        self.inner.shared.metrics.count_ended();
        // The record is corrected by the first transition that comes; this one does nothing else.
        let settled = Transition::begin_after(&self, outcome.ok()).await;
        if let Err(error) = settled.map(drop) {
            tracing::debug!(box_id = self.inner.id, %error, "after the end of a machine");
            if error.code() == ErrorCode::BoxRemoved {
                *self.inner.status() = Phase::Removed;
            }
        }
    }

    /// Ends the machine if there is one, whoever started it; processes get `grace` between SIGTERM and SIGKILL.
    pub(crate) async fn bring_down(&self, grace: Duration) -> BoxliteResult<()> {
        loop {
            match self.go_down(grace)? {
                Next::Done(()) => return Ok(()),
                Next::AwaitStop(task) => return task.result.await,
                // If the start fails there is nothing to stop, and its caller is told why.
                Next::AwaitStart(task) => drop(task.result.await),
            }
        }
    }

    fn go_down(&self, grace: Duration) -> BoxliteResult<Next<()>> {
        let mut status = self.inner.status();
        let known = match &*status {
            Phase::Starting(task) => return Ok(Next::AwaitStart(task.clone())),
            Phase::Stopping(task, _) => return Ok(Next::AwaitStop(task.clone())),
            Phase::Removed => return Err(self.removed()),
            Phase::Running(machine) => Some(Arc::clone(machine)),
            Phase::Idle => {
                let standing = self.standing()?;
                if Operation::Stop.rule(standing.record.state) == Rule::Nothing && !standing.stale {
                    return Ok(Next::Done(()));
                }
                None
            }
        };
        let (this, held) = (self.clone(), known.clone());
        let task = run(async move {
            let counted = known.is_some();
            let result = this.end(known, grace).await;
            if counted {
                this.inner.shared.metrics.count_ended();
            }
            *this.inner.status() = result.as_ref().err().map_or(Phase::Idle, after);
            // That the box was to be removed with its machine is no failure of a stop.
            result.or_else(|error| (error.code() == ErrorCode::BoxRemoved).then_some(()).ok_or(error))
        });
        *status = Phase::Stopping(task.clone(), held);
        Ok(Next::AwaitStop(task))
    }

    async fn end(&self, known: Option<Arc<Machine>>, grace: Duration) -> BoxliteResult<()> {
        let mut transition = Transition::begin(self).await?;
        let known = known.filter(|machine| machine.outcome().is_none());
        let machine = match (known, transition.state()) {
            (Some(machine), BoxState::Running) => machine,
            _ => match transition.join()? {
                Some(machine) => Arc::new(machine),
                None => return Ok(()),
            },
        };
        transition.stopping();
        let outcome = machine.stop(grace).await;
        transition.stopped().await?;
        outcome
            .map(|outcome| tracing::debug!(box_id = self.inner.id, how = outcome.describe(), "box stopped"))
    }

    /// Ends what of this box ends with this process: a start is awaited, a detached box goes on.
    pub(crate) async fn let_down(&self, grace: Duration) -> BoxliteResult<()> {
        let starting = match &*self.inner.status() {
            Phase::Starting(task) => Some(task.clone()),
            _ => None,
        };
        if let Some(task) = starting {
            let _ = task.result.await;
        }
        if self.is_ours() { self.bring_down(grace).await } else { Ok(()) }
    }

    /// Kills what [`let_down`](Self::let_down) could not end in time.
    pub(crate) async fn cut_off(&self) {
        tracing::warn!(box_id = self.inner.id, "the box did not end in time; it is killed");
        let machine = match &*self.inner.status() {
            Phase::Starting(task) => {
                task.abort();
                None
            }
            Phase::Stopping(task, machine) => {
                task.abort();
                machine.clone()
            }
            Phase::Running(machine) => Some(Arc::clone(machine)),
            Phase::Idle | Phase::Removed => None,
        };
        if let Some(machine) = machine {
            machine.shim.kill();
            let _ = machine.shim.ended().await;
        }
        // What the aborted task left.
        let _ = Transition::begin(self).await;
    }

    /// Whether something of this box ends with this process.
    pub(crate) fn is_ours(&self) -> bool {
        match &*self.inner.status() {
            Phase::Starting(_) | Phase::Stopping(..) => true,
            Phase::Running(machine) => machine.shim.is_ours(),
            Phase::Idle | Phase::Removed => false,
        }
    }

    /// Removes the box and everything of it. A running one needs `force` and is killed.
    pub(super) async fn retire(&self, force: bool) -> BoxliteResult<()> {
        let operation = if force { Operation::RemoveByForce } else { Operation::Remove };
        loop {
            let standing = self.standing()?;
            if operation.rule(standing.record.state) == Rule::Refuse {
                return Err(operation.refused(&self.inner.id, standing.record.state));
            }
            let under_way = match &*self.inner.status() {
                Phase::Removed => return Err(self.removed()),
                Phase::Starting(task) => Next::AwaitStart(task.clone()),
                Phase::Stopping(task, _) => Next::AwaitStop(task.clone()),
                Phase::Idle | Phase::Running(_) => Next::Done(()),
            };
            match under_way {
                Next::AwaitStart(task) => drop(task.result.await),
                Next::AwaitStop(task) => drop(task.result.await),
                Next::Done(()) => break,
            }
        }
        let transition = Transition::begin(self).await?;
        if operation.rule(transition.state()) == Rule::Refuse {
            return Err(operation.refused(&self.inner.id, transition.state()));
        }
        let before = std::mem::replace(&mut *self.inner.status(), Phase::Removed);
        if let Phase::Running(_) = before {
            self.inner.shared.metrics.count_ended();
        }
        if let Some(machine) = transition.join()? {
            machine.shim.kill();
            machine.shim.ended().await?;
        }
        blocking("remove a box", move || transition.remove()).await
    }

    pub(super) fn standing(&self) -> BoxliteResult<Standing> {
        Standing::of(&self.inner.paths, &self.inner.config())
    }

    pub(super) fn removed(&self) -> BoxliteError {
        BoxliteError::new(ErrorCode::BoxRemoved, format!("use box `{}`: it was removed", self.inner.id))
    }
}

/// The phase after a failure.
fn after(error: &BoxliteError) -> Phase {
    if error.code() == ErrorCode::BoxRemoved { Phase::Removed } else { Phase::Idle }
}

/// Runs a transition to its end, whether or not anybody waits.
fn run<T: Clone + Send + Sync + 'static>(
    transition: impl Future<Output = BoxliteResult<T>> + Send + 'static,
) -> Task<T> {
    let task = tokio::spawn(transition);
    let abort = task.abort_handle();
    let result = async move {
        task.await.unwrap_or_else(|error| {
            Err(if error.is_cancelled() {
                BoxliteError::new(
                    ErrorCode::RuntimeClosed,
                    "change the state of a box: the runtime was closed",
                )
            } else {
                BoxliteError::new(ErrorCode::Internal, "change the state of a box").caused_by(error)
            })
        })
    };
    Task { result: result.boxed().shared(), abort }
}
