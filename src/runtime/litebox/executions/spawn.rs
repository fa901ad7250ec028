//! Begins executions in a box, and finds those that run. Called by `LiteBox`.

use std::sync::Arc;

use boxlite_error::{BoxliteError, BoxliteResult, ErrorCode, Term, text};
use boxlite_portal::{ExecOptions, ExecutionInfo};

use crate::{
    events::EventKind,
    litebox::{core::BoxCore, executions::execution::Execution},
    options::exec,
    state::id,
};

impl BoxCore {
    /// Runs a command; starts the box first if it does not run. With `defer_started` the guest may report the start with the first
    /// output or the end.
    pub(in crate::litebox) async fn spawn(
        self: &Arc<Self>,
        options: ExecOptions,
        defer_started: bool,
    ) -> BoxliteResult<Execution> {
        exec::check(&options)?;
        let started = self.spawn_checked(options, defer_started).await;
        self.home.metrics.count_exec(started.is_ok());
        started
    }

    async fn spawn_checked(
        self: &Arc<Self>,
        options: ExecOptions,
        defer_started: bool,
    ) -> BoxliteResult<Execution> {
        self.watches.settled().await;
        let machine = self.machine().await?;
        let id = id::random()?;
        let interface = machine.session.execution();
        // On the heap: a future is moved into each that awaits it, and these are kilobytes.
        let started = if options.detached {
            Box::pin(interface.start(&id, &options)).await.map(|pid| (pid, interface.output(&id)))
        } else {
            Box::pin(interface.exec(&id, &options, defer_started)).await
        };
        let (pid, output) = match started {
            Ok(started) => started,
            Err(error) => return Err(self.explain(&machine, error).await),
        };
        let ExecOptions { command, stdin, timeout_ms, .. } = options;
        tracing::debug!(box_id = self.id, execution_id = id, command, pid, "execution started");
        machine.observed.tell(|| EventKind::ExecStarted { execution_id: id.clone(), command, pid });
        let metrics = Arc::clone(&self.home.metrics);
        Ok(Execution::new(machine, metrics, id, pid, output, stdin, timeout_ms))
    }

    /// The executions that run, the oldest first. A box that does not run has none, and is not started.
    pub(in crate::litebox) async fn executions(self: &Arc<Self>) -> BoxliteResult<Vec<ExecutionInfo>> {
        let Some(machine) = self.running().await? else { return Ok(Vec::new()) };
        match machine.session.execution().list().await {
            Ok(running) => Ok(running),
            Err(error) => Err(self.explain(&machine, error).await),
        }
    }

    /// Finds an execution that runs or has ended lately, by its id. Its output is read from the oldest bytes at hand on,
    /// whoever else reads it.
    pub(in crate::litebox) async fn execution(self: &Arc<Self>, id: &str) -> BoxliteResult<Execution> {
        let unknown = || {
            BoxliteError::new(
                ErrorCode::ExecNotFound,
                format!("execution {id:?}: unknown in box {}", self.id),
            )
            .hint(text![
                Term::BoxExecutions,
                " lists those that run; one that has ended is remembered for ten minutes"
            ])
        };
        let machine = self.running().await?.ok_or_else(unknown)?;
        let interface = machine.session.execution();
        let found = interface.find(id).await?.ok_or_else(unknown)?;
        let metrics = Arc::clone(&self.home.metrics);
        Ok(Execution::new(machine, metrics, id.to_owned(), found.pid, interface.output(id), true, 0))
    }
}
