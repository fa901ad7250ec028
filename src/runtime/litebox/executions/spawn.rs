//! Begins executions in a box, and finds those that run. Called by `LiteBox`.

use std::{
    future::pending,
    pin::{Pin, pin},
    sync::Arc,
};

use boxlite_error::{BoxliteError, BoxliteResult, ErrorCode, Term, text};
use boxlite_portal::{ExecOptions, ExecutionInfo};
use bytes::Bytes;
use futures::Stream;

use crate::{
    events::EventKind,
    litebox::{
        core::BoxCore,
        executions::{
            collect::{self, CollectOptions, Collected, ExecFailure, cancelled},
            execution::Execution,
        },
        lifecycle::machine::Machine,
    },
    options::exec,
    state::id,
};

impl BoxCore {
    /// Runs a command; starts the box first if it does not run.
    pub(in crate::litebox) async fn spawn(
        self: &Arc<Self>,
        options: ExecOptions,
    ) -> BoxliteResult<Execution> {
        self.begin(options, false, pin!(pending())).await
    }

    /// Runs a command and collects what it writes, until it ends or `cancel` resolves.
    pub(in crate::litebox) async fn exec(
        self: &Arc<Self>,
        options: ExecOptions,
        mut collect: CollectOptions,
        stdin: impl Stream<Item = Bytes>,
        cancel: impl Future<Output = ()>,
    ) -> Result<Collected, ExecFailure> {
        let mut cancel = pin!(cancel);
        let title = collect.title.take().unwrap_or_else(|| options.command.clone());
        let timeout_ms = options.timeout_ms;
        let execution = self.begin(options, true, cancel.as_mut()).await?;
        collect::collect(&execution, &collect, &title, timeout_ms, stdin, cancel).await
    }

    /// Starts an execution unless `cancel` resolves before. With `defer_started` the guest may report the start with the first
    /// output or the end.
    async fn begin(
        self: &Arc<Self>,
        options: ExecOptions,
        defer_started: bool,
        mut cancel: Pin<&mut impl Future<Output = ()>>,
    ) -> BoxliteResult<Execution> {
        exec::check(&options)?;
        let machine = tokio::select! {
            biased;
            () = cancel.as_mut() => Err(cancelled()),
            machine = async { self.watches.settled().await; self.machine(None).await } => machine,
        };
        let count = |failed: bool| {
            self.home.metrics.count(|counters| {
                counters.total_exec_calls += 1;
                counters.total_exec_errors += u64::from(failed);
            });
        };
        let machine = machine.inspect_err(|_| count(true))?;
        // On the heap: a future is moved into each that awaits it, and this one has kilobytes.
        let mut starting = Box::pin(Arc::clone(self).start_execution(machine, options, defer_started));
        let begun = tokio::select! {
            biased;
            started = &mut starting => started,
            () = cancel => {
                // The guest may have the request already, so the process is awaited and killed.
                self.home.spawn(async move {
                    if let Ok(execution) = starting.await {
                        drop(execution.kill_all().await);
                    }
                });
                Err(cancelled())
            }
        };
        count(begun.is_err());
        begun
    }

    async fn start_execution(
        self: Arc<Self>,
        machine: Arc<Machine>,
        options: ExecOptions,
        defer_started: bool,
    ) -> BoxliteResult<Execution> {
        let id = id::random()?;
        let interface = machine.session.execution();
        let (pid, output) = {
            // Pinned here, since `explained` would move its kilobytes from layer to layer.
            let started = pin!(async {
                if options.detached {
                    Ok((interface.start(&id, &options).await?, interface.output(&id)))
                } else {
                    interface.exec(&id, &options, defer_started).await
                }
            });
            self.explained(&machine, started).await?
        };
        let ExecOptions { command, stdin, timeout_ms, .. } = options;
        tracing::debug!(box_id = self.id, execution_id = id, command, pid, "execution started");
        machine.watcher.emit(|| EventKind::ExecStarted { execution_id: id.clone(), command, pid });
        let metrics = Arc::clone(&self.home.metrics);
        Ok(Execution::new(machine, metrics, id, pid, output, stdin, timeout_ms))
    }

    /// The executions that run, the oldest first. A box that does not run has none, and is not started.
    pub(in crate::litebox) async fn executions(self: &Arc<Self>) -> BoxliteResult<Vec<ExecutionInfo>> {
        let Some(machine) = self.running().await? else { return Ok(Vec::new()) };
        self.explained(&machine, machine.session.execution().list()).await
    }

    /// Finds an execution that runs or has ended lately, by its id. Its output is read from the oldest bytes at hand on,
    /// whoever else reads it.
    pub(in crate::litebox) async fn execution(self: &Arc<Self>, id: &str) -> BoxliteResult<Execution> {
        let unknown = || {
            let remembered = " lists those that run; one that has ended is remembered for ten minutes";
            let message = format!("execution {id:?}: unknown in box {}", self.id);
            BoxliteError::new(ErrorCode::ExecNotFound, message).hint(text![Term::BoxExecutions, remembered])
        };
        let machine = self.running().await?.ok_or_else(unknown)?;
        let interface = machine.session.execution();
        let found = interface.find(id).await?.ok_or_else(unknown)?;
        let metrics = Arc::clone(&self.home.metrics);
        Ok(Execution::new(machine, metrics, id.to_owned(), found.pid, interface.output(id), true, 0))
    }
}
