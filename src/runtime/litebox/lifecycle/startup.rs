//! How a box gets a running machine: the one that this process holds, one that another process started, or a new one. Within this
//! process each start runs once, as a task of its own: whoever wants its result waits for that task, so a caller that goes away never
//! leaves a machine half made. Between processes a `Transition` keeps the order.

use std::{
    sync::{Arc, Mutex},
    time::Duration,
};

use boxlite_error::{BoxliteError, BoxliteResult, ErrorCode};
use tokio::time::sleep;

use crate::{
    litebox::{
        core::BoxCore,
        lifecycle::{
            local_state::LocalState,
            machine::Machine,
            start::{Caller, Start, StartHandle},
            state::{Operation, Rule},
            task::Task,
            transition::Transition,
        },
    },
    pipeline::{Pipeline, Started, boot_timeout::BootTimeout},
    state::clock::now_ms,
};

/// How often a start checks whether its box still exists: another process may have removed it.
const EXISTENCE_INTERVAL: Duration = Duration::from_millis(250);

/// What a caller who needs a machine does next.
enum Next {
    Use(Arc<Machine>),
    AwaitStart(Task<Arc<Machine>>, Caller),
    AwaitStop(Task<()>),
}

impl BoxCore {
    /// The running machine; joins it, or starts it if there is none. `boot` is how long the guest may take to come up if this call is the
    /// one that starts it. When the last caller drops its future, the start is given up.
    pub(in crate::litebox) async fn machine(
        self: &Arc<Self>,
        boot: Option<Duration>,
    ) -> BoxliteResult<Arc<Machine>> {
        loop {
            match self.begin_start(boot)? {
                Next::Use(machine) => return Ok(machine),
                Next::AwaitStart(task, caller) => match task.result().await {
                    // The other callers gave up just when this one came.
                    Err(error) if error.code() == ErrorCode::Aborted => drop(caller),
                    started => return started,
                },
                // Whether or not the stop succeeded, there is no machine after it.
                Next::AwaitStop(task) => drop(task.result().await),
            }
        }
    }

    fn begin_start(self: &Arc<Self>, boot: Option<Duration>) -> BoxliteResult<Next> {
        self.home.check_open()?;
        let mut local = self.local();
        match &*local {
            LocalState::Running(machine) if machine.outcome().is_none() => {
                return Ok(Next::Use(Arc::clone(machine)));
            }
            LocalState::Starting(start) => {
                return Ok(Next::AwaitStart(start.task.clone(), start.handle.join()));
            }
            LocalState::Stopping(task, _) => return Ok(Next::AwaitStop(task.clone())),
            LocalState::Idle => {}
            // The task that watches it has not noticed its end yet.
            LocalState::Running(_) => self.home.metrics.count(|counters| counters.boxes_running -= 1),
        }
        let (this, handle) = (Arc::clone(self), StartHandle::default());
        let (caller, own) = (handle.join(), handle.clone());
        let task = Task::spawn(&self.home, async move {
            let result = Box::pin(this.join_or_start(boot, &own)).await;
            this.finish_start(result)
        });
        *local = LocalState::Starting(Start { task: task.clone(), handle });
        Ok(Next::AwaitStart(task, caller))
    }

    async fn join_or_start(
        self: &Arc<Self>,
        boot: Option<Duration>,
        start: &StartHandle,
    ) -> BoxliteResult<Machine> {
        let mut transition = tokio::select! {
            transition = Transition::begin(self) => transition?,
            cut = start.cut_short() => return Err(cut.error(&self.id)),
        };
        if Operation::Start.rule(transition.state()) == Rule::Nothing
            && let Some(machine) = transition.join()?
        {
            return Ok(machine);
        }
        self.home.check_open()?;
        transition.config.check_due(now_ms())?;
        self.home.prepare_engine();
        transition.starting().await?;
        let pipeline = Pipeline {
            home: Arc::clone(&self.home),
            paths: self.paths.clone(),
            config: transition.config.clone(),
            timings: Mutex::default(),
            lock: transition.lock(),
            boot: BootTimeout::of(boot, &transition.config.options, &self.home),
        };
        let started = async {
            let Started { mut machine, lease: _lease } = tokio::select! {
                started = pipeline.run() => started,
                cut = start.cut_short() => Err(cut.error(&self.id)),
                () = self.vanished() => Err(self.removed_error()),
            }?;
            transition.started(machine.record.clone()).await?;
            if transition.config.options.detached {
                machine.shim.detach();
            }
            Ok(machine)
        };
        match started.await {
            Ok(machine) => Ok(machine),
            Err(error) => Err(self.give_up(transition, error).await),
        }
    }

    /// Cleans up after a start that failed or was given up; the latter is no failure of the box.
    async fn give_up(&self, mut transition: Transition, error: BoxliteError) -> BoxliteError {
        if let Err(removed) = self.check_exists().await {
            // The removal explains whatever went wrong.
            transition.end_leftovers().await;
            return removed;
        }
        match error.code() {
            ErrorCode::Aborted | ErrorCode::RuntimeClosed | ErrorCode::BoxRemoved => {
                transition.abandoned().await;
            }
            _ => {
                transition.failed(&error).await;
                self.home.metrics.count(|counters| counters.boxes_failed += 1);
            }
        }
        error
    }

    /// Waits until the box's folder is gone.
    async fn vanished(&self) {
        loop {
            sleep(EXISTENCE_INTERVAL).await;
            if self.check_exists().await.is_err_and(|error| error.code() == ErrorCode::BoxRemoved) {
                return;
            }
        }
    }

    fn finish_start(self: &Arc<Self>, result: BoxliteResult<Machine>) -> BoxliteResult<Arc<Machine>> {
        let mut local = self.local();
        let machine = result.map(Arc::new).inspect_err(|_| *local = LocalState::Idle)?;
        self.hold(&mut local, &machine);
        Ok(machine)
    }
}
