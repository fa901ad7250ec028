//! Starting an execution: its streams, the zygote's fork, its timeout, and what is done at its exit.
//!
//! Called by the Execution service and `supervision`; calls `zygote`. The start runs as a task of its own, so that a caller who
//! goes away leaves nothing half-made.

use std::{
    io,
    os::fd::OwnedFd,
    sync::{Arc, atomic::Ordering},
    time::Duration,
};

use boxlite_proto::v1::{ExecRequest, ExitStatus, StartError, start_error};
use nix::libc::{SIGKILL, SIGTERM};
use tokio::{io::Interest, time::timeout};

use super::{
    attachment::Attachment, background::read_unattended, pipe, purpose::Purpose, reader_guard::ReaderGuard,
    state::Execution, stdin::Stdin, stdio::Stdio, table::Executions,
};
use crate::{
    Context as _, Error, Kind, Result,
    zygote::{
        OnExit,
        message::{Exited, Spawn},
    },
};

/// Time between SIGTERM and SIGKILL of an execution whose timeout has passed.
const TIMEOUT_GRACE: Duration = Duration::from_secs(2);

impl Executions {
    /// Starts a process. Returns its execution, or why there is none.
    ///
    /// # Errors
    ///
    /// The id is invalid or exists, too many executions run, or there is no container. A program that can't be started is no error of
    /// this kind.
    pub async fn run(
        &self,
        request: ExecRequest,
        purpose: Purpose,
    ) -> Result<Result<Arc<Execution>, StartError>> {
        let (execution, request) = self.admit(request, purpose)?;
        let started = self.start(&execution, request).await?;
        Ok(started.map(|_| execution))
    }

    /// Starts a process that has a reader from the beginning. Its output is kept, however late the reader comes to read it and
    /// however many other executions end until then.
    ///
    /// # Errors
    ///
    /// As for [`Self::run`].
    pub async fn run_attached(&self, request: ExecRequest) -> Result<Result<(u32, Attachment), StartError>> {
        let (execution, request) = self.admit(request, Purpose::Requested)?;
        let guard = ReaderGuard::new(Arc::clone(&execution), Some([0; 2]));
        let pid = match self.start(&execution, request).await? {
            Ok(pid) => pid,
            Err(error) => return Ok(Err(error)),
        };
        let attachment = Attachment::of(guard, [Some(0); 2]).await?;
        Ok(Ok((pid, attachment)))
    }

    async fn start(
        &self,
        execution: &Arc<Execution>,
        request: ExecRequest,
    ) -> Result<Result<u32, StartError>> {
        let task = tokio::spawn(start(self.clone(), Arc::clone(execution), request));
        task.await.map_err(|_| Error::new(Kind::State, "exec: the agent is ending"))?
    }
}

/// Starts `execution`. Returns its pid in the container, or why there is none.
async fn start(
    table: Executions,
    execution: Arc<Execution>,
    request: ExecRequest,
) -> Result<Result<u32, StartError>> {
    let started = launch(table, &execution, request).await;
    let not_started = match &started {
        Ok(Ok(_)) => return started,
        Ok(Err(error)) => error.clone(),
        Err(error) => StartError { kind: start_error::Kind::Other.into(), message: error.chain() },
    };
    execution.note_failed_start(not_started);
    started
}

async fn launch(
    table: Executions,
    execution: &Arc<Execution>,
    request: ExecRequest,
) -> Result<Result<u32, StartError>> {
    let (has_terminal, detached, timeout_ms) = (request.tty.is_some(), request.detached, request.timeout_ms);
    let (ends, child) = match Stdio::new(&request) {
        Ok(ends) => ends,
        Err(error) => return Ok(Err(exhausted(&request, &error))),
    };
    let (serial, main) = (execution.serial, matches!(execution.purpose, Purpose::Main(_)));
    let alone = matches!(execution.purpose, Purpose::Check);
    let spawn = Spawn { serial, request: Some(request), alone, main };
    let on_exit = on_exit(table, Arc::clone(execution));
    let (pid, master) = match execution.zygote.spawn(spawn, child, on_exit).await? {
        Ok(spawned) => spawned,
        Err(error) => return Ok(Err(error)),
    };
    connect(execution, ends, master.filter(|_| has_terminal)).await?;
    let _ = execution.summary.pid.set(pid);
    if let Purpose::Main(tap) = &execution.purpose {
        tap.started(pid);
    }
    execution.note_start();
    if timeout_ms > 0 {
        tokio::spawn(end_after(Arc::clone(execution), Duration::from_millis(timeout_ms)));
    }
    if detached {
        tokio::spawn(read_unattended(Arc::clone(execution)));
    }
    Ok(Ok(pid))
}

/// Puts the streams of `execution` in place: the pipes, or its terminal.
async fn connect(execution: &Execution, ends: Stdio, terminal: Option<OwnedFd>) -> Result<()> {
    let (mut stdin, mut stdout) = (ends.stdin.map(Stdin::pipe).unwrap_or_default(), ends.stdout);
    if let Some(master) = terminal {
        let both = Interest::READABLE | Interest::WRITABLE;
        let terminal = pipe::watch(master, both).context(|| "watch the terminal")?;
        let _ = execution.terminal.set(Arc::clone(&terminal));
        (stdin, stdout) = (Stdin::terminal(Arc::clone(&terminal)), Some(terminal));
    }
    *execution.stdin.lock().await = stdin;
    let mut streams = execution.streams();
    let [out, err] = &mut *streams;
    (out.pipe, err.pipe) = (stdout, ends.stderr);
    Ok(())
}

/// Notes the exit. The zygote's listener calls it.
fn on_exit(table: Executions, execution: Arc<Execution>) -> OnExit {
    let kills_before = table.oom_kills();
    Box::new(move |Exited { code, signal, .. }| {
        let timed_out = execution.timed_out.load(Ordering::Relaxed);
        let oom_killed = signal == SIGKILL && table.oom_kills() > kills_before;
        if oom_killed {
            table.report_oom(execution.id());
        }
        execution.note_exit(ExitStatus { code, signal, timed_out, oom_killed });
    })
}

async fn end_after(execution: Arc<Execution>, limit: Duration) {
    if timeout(limit, execution.wait()).await.is_ok() {
        return;
    }
    execution.timed_out.store(true, Ordering::Relaxed);
    // A signal that can't be sent is ignored: the zygote is gone then, and every process with it.
    let _ = execution.signal(SIGTERM, true).await;
    if timeout(TIMEOUT_GRACE, execution.wait()).await.is_err() {
        let _ = execution.signal(SIGKILL, true).await;
    }
}

fn exhausted(request: &ExecRequest, error: &io::Error) -> StartError {
    StartError {
        kind: start_error::Kind::ResourceExhausted.into(),
        message: format!("start {:?}: make its pipes: {error}", request.command),
    }
}
