//! Begins executions in a box, and finds those that run. Called by `LiteBox`.

use std::sync::Arc;

use boxlite_error::{BoxliteError, BoxliteResult, ErrorCode, Term, text};
use boxlite_portal::ExecOptions;
use boxlite_wire::limits;

use crate::{
    events::EventKind,
    litebox::{
        core::BoxCore,
        executions::{execution::Execution, info::ExecutionInfo},
    },
    options::exec,
    state::id,
};

impl BoxCore {
    /// Runs a command; starts the box first if needed.
    pub(in crate::litebox) async fn spawn(
        self: &Arc<Self>,
        options: ExecOptions,
    ) -> BoxliteResult<Execution> {
        exec::check(&options)?;
        let started = self.spawn_checked(options).await;
        self.home.metrics.count_exec(started.is_ok());
        started
    }

    async fn spawn_checked(self: &Arc<Self>, options: ExecOptions) -> BoxliteResult<Execution> {
        self.watches.stand().await;
        let machine = self.machine().await?;
        let id = id::random()?;
        let interface = machine.session.execution();
        // On the heap: a future is moved into each that awaits it, and these are kilobytes.
        let started = if options.detached {
            Box::pin(interface.start(&id, &options)).await.map(|pid| (pid, None))
        } else {
            Box::pin(interface.exec(&id, &options)).await.map(|(pid, output)| (pid, Some(output)))
        };
        let (pid, output) = match started {
            Ok(started) => started,
            Err(error) => return Err(self.explain(&machine, error).await),
        };
        tracing::debug!(
            box_id = self.id,
            execution_id = id,
            command = options.command,
            pid,
            "execution started"
        );
        let (execution_id, command) = (id.clone(), options.command.clone());
        machine.observed.tell(|| EventKind::ExecStarted { execution_id, command, pid });
        let metrics = Arc::clone(&self.home.metrics);
        Ok(Execution::new(id, pid, output, interface, machine, metrics, &options))
    }

    /// The executions that run, the oldest first. A box that does not run has none, and is not started.
    pub(in crate::litebox) async fn executions(self: &Arc<Self>) -> BoxliteResult<Vec<ExecutionInfo>> {
        let Some(machine) = self.running().await? else { return Ok(Vec::new()) };
        match machine.session.execution().list().await {
            Ok(running) => Ok(running.into_iter().take(limits::LIST).map(ExecutionInfo::from).collect()),
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
        let mut options = ExecOptions::new(found.command, found.args);
        options.stdin = true;
        Ok(Execution::new(id.to_owned(), found.pid, None, interface, machine, metrics, &options))
    }
}
