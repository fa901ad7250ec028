//! A box's way up and down. Within this process each transition runs as a task of its own, once; whoever wants its result
//! waits for that task, so a caller that goes away never leaves a machine half made. Between processes a `Transition`
//! keeps the order, and `state` says what each operation means.

use std::{
    sync::{Arc, atomic::Ordering},
    time::Duration,
};

use boxlite_error::{BoxliteError, BoxliteResult, ErrorCode};
use futures::{
    FutureExt,
    future::{BoxFuture, Shared},
};
use tokio::{
    task::AbortHandle,
    time::{sleep, timeout},
};

use crate::{
    blocking::blocking,
    litebox::{
        handle::LiteBox,
        lifecycle::{
            machine::Machine,
            observed_state::Standing,
            start::{Caller, Cut, Start, StartHandle},
            state::{BoxState, Operation, Rule},
            transition::Transition,
            transition_log,
        },
    },
    pipeline::{Started, boot_timeout::BootTimeout},
    state::clock::now_ms,
};

/// How often a start looks whether its box is still there: another process may have removed it.
const LOOK: Duration = Duration::from_millis(250);
/// What each step of [`LiteBox::cut_off`] may take.
const CUT_OFF: Duration = Duration::from_millis(500);

/// What is going on with a box in this process. Whether there is a box at all is asked of its folder.
#[derive(Debug, Default)]
pub(in crate::litebox) enum Phase {
    /// Nothing. The box may run all the same: then another process started it.
    #[default]
    Idle,
    /// It is being started, or joined.
    Starting(Start),
    /// A machine runs, or ended a moment ago.
    Running(Arc<Machine>),
    /// The machine is being ended; here it is, if this process held it.
    Stopping(Task<()>, Option<Arc<Machine>>),
}

/// A transition under way, for any number of waiters.
#[derive(Debug, Clone)]
pub(in crate::litebox) struct Task<T: Clone> {
    result: Shared<BoxFuture<'static, BoxliteResult<T>>>,
    abort: AbortHandle,
}

impl<T: Clone> Task<T> {
    /// Drops all that the transition holds, at its next await.
    pub(in crate::litebox) fn abort(&self) {
        self.abort.abort();
    }
}

/// What a caller of a start does next.
enum Up {
    Done(Arc<Machine>),
    AwaitStart(Task<Arc<Machine>>, Caller),
    AwaitStop(Task<()>),
}

/// What a caller of a stop does next.
enum Down {
    AwaitStart(Task<Arc<Machine>>),
    AwaitStop(Task<()>),
}

impl LiteBox {
    /// The running machine; joins it, or starts it if there is none.
    pub(in crate::litebox) async fn machine(&self) -> BoxliteResult<Arc<Machine>> {
        self.machine_within(None).await
    }

    /// The same; if this call is the one that starts it, its guest has so long to come up. When the last caller goes away, the
    /// start is given up.
    pub(in crate::litebox) async fn machine_within(
        &self,
        boot: Option<Duration>,
    ) -> BoxliteResult<Arc<Machine>> {
        loop {
            match self.go_up(boot)? {
                Up::Done(machine) => return Ok(machine),
                Up::AwaitStart(task, caller) => match task.result.await {
                    // Others went away in the moment in which this one came.
                    Err(error) if error.code() == ErrorCode::Aborted => drop(caller),
                    started => return started,
                },
                // However the stop went, there is no machine after it.
                Up::AwaitStop(task) => drop(task.result.await),
            }
        }
    }

    fn go_up(&self, boot: Option<Duration>) -> BoxliteResult<Up> {
        self.inner.shared.check_open()?;
        let mut status = self.inner.status();
        match &*status {
            Phase::Running(machine) if machine.outcome().is_none() => {
                return Ok(Up::Done(Arc::clone(machine)));
            }
            Phase::Starting(start) => return Ok(Up::AwaitStart(start.task.clone(), start.join())),
            Phase::Stopping(task, _) => return Ok(Up::AwaitStop(task.clone())),
            Phase::Idle => {}
            // Its watcher has not come round yet.
            Phase::Running(_) => self.inner.shared.metrics.count_ended(),
        }
        let (this, handle) = (self.clone(), StartHandle::default());
        let (caller, own) = (handle.join(), handle.clone());
        let task = run(async move {
            let result = Box::pin(this.bring_up(boot, &own)).await;
            this.went_up(result)
        });
        *status = Phase::Starting(Start::new(task.clone(), handle));
        Ok(Up::AwaitStart(task, caller))
    }

    async fn bring_up(&self, boot: Option<Duration>, start: &StartHandle) -> BoxliteResult<Machine> {
        let mut transition = tokio::select! {
            transition = Transition::begin(self) => transition?,
            cut = start.ended_early() => return Err(cut.error(&self.inner.id)),
        };
        if Operation::Start.rule(transition.state()) == Rule::Nothing
            && let Some(machine) = transition.join().await?
        {
            return Ok(machine);
        }
        self.inner.shared.check_open()?;
        transition.config.check_due(now_ms())?;
        transition.starting().await?;
        let boot = BootTimeout::of(boot, &transition.config.options, &self.inner.shared);
        let pipeline = self.pipeline(transition.config.clone(), transition.lock(), boot);
        let started = tokio::select! {
            started = pipeline.run() => started,
            cut = start.ended_early() => Err(cut.error(&self.inner.id)),
            () = self.vanished() => Err(self.removed()),
        };
        let machine = match started {
            Ok(Started { mut machine, lease: _lease }) => {
                transition.started(machine.record.clone()).await.map(|()| {
                    if transition.config.options.detached {
                        machine.shim.let_go();
                    }
                    machine
                })
            }
            Err(error) => Err(error),
        };
        match machine {
            Ok(machine) => Ok(machine),
            Err(error) => Err(self.gave_up(transition, error).await),
        }
    }

    /// After a start that came to nothing. One that somebody ended is no failure of the box.
    async fn gave_up(&self, mut transition: Transition, error: BoxliteError) -> BoxliteError {
        if let Err(removed) = self.check_exists().await {
            // Whatever went wrong did so for that.
            transition.end_leftovers().await;
            return removed;
        }
        match error.code() {
            ErrorCode::Aborted | ErrorCode::RuntimeClosed | ErrorCode::BoxRemoved => {
                transition.abandoned().await;
            }
            _ => {
                transition.failed(&error).await;
                self.inner.shared.metrics.count_failed();
            }
        }
        error
    }

    /// Waits until the box's folder is gone.
    async fn vanished(&self) {
        loop {
            sleep(LOOK).await;
            if self.check_exists().await.is_err_and(|error| error.code() == ErrorCode::BoxRemoved) {
                return;
            }
        }
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
                *status = Phase::Idle;
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
    pub(in crate::litebox) async fn running(&self) -> BoxliteResult<Option<Arc<Machine>>> {
        self.inner.shared.check_open()?;
        if let Some(machine) = self.here() {
            return Ok(Some(machine));
        }
        let standing = self.standing().await?;
        if Operation::Wait.rule(standing.record.state) == Rule::Nothing {
            return Ok(None);
        }
        let Some(machine) = Transition::begin(self).await?.join().await? else { return Ok(None) };
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
    pub(in crate::litebox) fn here(&self) -> Option<Arc<Machine>> {
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
            if error.code() == ErrorCode::BoxRemoved && !self.inner.removing.load(Ordering::Acquire) {
                // By another process.
                self.inner.shared.boxes.forget(&self.inner.id);
                transition_log::removed(&self.inner.shared.events, &self.inner.config(), BoxState::Running);
            }
        }
    }

    /// Ends the machine if there is one, whoever started it; processes get `grace` between SIGTERM and SIGKILL.
    pub(crate) async fn bring_down(&self, grace: Duration) -> BoxliteResult<()> {
        loop {
            let idle = matches!(&*self.inner.status(), Phase::Idle);
            if idle {
                let standing = self.standing().await?;
                if Operation::Stop.rule(standing.record.state) == Rule::Nothing && !standing.stale {
                    return self.check_exists().await;
                }
            }
            match self.go_down(grace) {
                Down::AwaitStop(task) => return task.result.await,
                // If the start fails there is nothing to stop, and its caller is told why.
                Down::AwaitStart(task) => drop(task.result.await),
            }
        }
    }

    fn go_down(&self, grace: Duration) -> Down {
        let mut status = self.inner.status();
        let known = match &*status {
            Phase::Starting(start) => return Down::AwaitStart(start.task.clone()),
            Phase::Stopping(task, _) => return Down::AwaitStop(task.clone()),
            Phase::Running(machine) => Some(Arc::clone(machine)),
            Phase::Idle => None,
        };
        let (this, held) = (self.clone(), known.clone());
        let task = run(async move {
            let counted = known.is_some();
            let result = this.end(known, grace).await;
            if counted {
                this.inner.shared.metrics.count_ended();
            }
            *this.inner.status() = Phase::Idle;
            // That the box was to be removed with its machine is no failure of a stop.
            result.or_else(|error| (error.code() == ErrorCode::BoxRemoved).then_some(()).ok_or(error))
        });
        *status = Phase::Stopping(task.clone(), held);
        Down::AwaitStop(task)
    }

    async fn end(&self, known: Option<Arc<Machine>>, grace: Duration) -> BoxliteResult<()> {
        let mut transition = Transition::begin(self).await?;
        let known = known.filter(|machine| machine.outcome().is_none());
        let machine = match (known, transition.state()) {
            (Some(machine), BoxState::Running) => machine,
            _ => match transition.join().await? {
                Some(machine) => Arc::new(machine),
                None => return Ok(()),
            },
        };
        transition.stopping().await;
        let outcome = machine.stop(grace).await;
        transition.stopped().await?;
        outcome
            .map(|outcome| tracing::debug!(box_id = self.inner.id, how = outcome.describe(), "box stopped"))
    }

    /// Ends what of this box ends with this process: a start of an attached box is given up, one of a detached box is awaited
    /// and the box goes on.
    pub(crate) async fn let_down(&self, grace: Duration) -> BoxliteResult<()> {
        let starting = match &*self.inner.status() {
            Phase::Starting(start) => Some(start.clone()),
            _ => None,
        };
        if let Some(start) = starting {
            if !self.detached() {
                start.cut(Cut::Closed);
            }
            let _ = start.task.result.await;
        }
        if !self.is_ours() {
            return Ok(());
        }
        let down = self.bring_down(grace).await;
        down.or_else(|error| (error.code() == ErrorCode::BoxRemoved).then_some(()).ok_or(error))
    }

    /// Kills what [`let_down`](Self::let_down) could not end in time, and takes no long time for it.
    pub(crate) async fn cut_off(&self) {
        tracing::warn!(box_id = self.inner.id, "the box did not end in time; it is killed");
        let (starting, machine) = match &*self.inner.status() {
            Phase::Starting(start) => {
                start.cut(Cut::Closed);
                (Some(start.task.clone()), None)
            }
            Phase::Stopping(task, machine) => {
                task.abort();
                (None, machine.clone())
            }
            Phase::Running(machine) => (None, Some(Arc::clone(machine))),
            Phase::Idle => (None, None),
        };
        if let Some(task) = starting
            && timeout(CUT_OFF, task.result.clone()).await.is_err()
        {
            task.abort();
        }
        if let Some(machine) = machine {
            machine.shim.kill_as_asked("its runtime was closed");
            if let Err(error) = machine.shim.ended_within(CUT_OFF).await {
                tracing::warn!(box_id = self.inner.id, %error, "the box was killed and is still there");
            }
        }
        // What was left half done. Another process that is at it does that itself.
        let _ = timeout(CUT_OFF, Transition::begin(self)).await;
    }

    /// Whether something of this box ends with this process.
    pub(crate) fn is_ours(&self) -> bool {
        match &*self.inner.status() {
            Phase::Starting(_) | Phase::Stopping(..) => true,
            Phase::Running(machine) => machine.shim.is_ours(),
            Phase::Idle => false,
        }
    }

    pub(in crate::litebox) async fn standing(&self) -> BoxliteResult<Standing> {
        let this = self.clone();
        blocking("look at a box", move || this.standing_now()).await
    }

    /// [`standing`](Self::standing) for those that may block.
    pub(in crate::litebox) fn standing_now(&self) -> BoxliteResult<Standing> {
        Standing::of(&self.inner.paths, &self.inner.config())
    }

    /// `BOX_REMOVED` when there is no such box any more.
    pub(in crate::litebox) async fn check_exists(&self) -> BoxliteResult<()> {
        let config = self.inner.paths.config();
        let exists = blocking("look for a box", move || Ok(config.exists())).await?;
        if exists { Ok(()) } else { Err(self.removed()) }
    }

    pub(in crate::litebox) fn removed(&self) -> BoxliteError {
        BoxliteError::new(ErrorCode::BoxRemoved, format!("use box `{}`: it was removed", self.inner.id))
    }
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
