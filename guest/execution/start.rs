//! Starting an execution: streams, the zygote's fork, the timeout.
//!
//! Called by `table`; runs as a task of its own, so that a caller who goes away leaves nothing half-made.

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
    input::Input,
    keeper::keep,
    pipe::{self, Pipe},
    process::{Execution, Phase},
    purpose::Purpose,
    table::Executions,
};
use crate::{
    Context as _, Result,
    zygote::{Lot, OnExit, message::Exited},
};

/// Between SIGTERM and SIGKILL of an execution whose time is up.
const TIMEOUT_GRACE: Duration = Duration::from_secs(2);

/// This side's and the child's ends of the streams.
struct Ends {
    stdin: Option<Pipe>,
    stdout: Option<Pipe>,
    stderr: Option<Pipe>,
    /// The child's, in the zygote's order.
    child: Vec<OwnedFd>,
}

/// Starts `execution`; answers its pid in the container, or why there is none.
pub(super) async fn start(
    table: Executions,
    execution: Arc<Execution>,
    request: ExecRequest,
) -> Result<Result<u32, StartError>> {
    let started = launch(&table, &execution, request).await;
    let not_started = match &started {
        Ok(Ok(_)) => return started,
        Ok(Err(error)) => error.clone(),
        Err(error) => StartError { kind: start_error::Kind::Other.into(), message: error.chain() },
    };
    execution.phase.send_replace(Phase::NotStarted(not_started));
    table.retire(&execution);
    started
}

async fn launch(
    table: &Executions,
    execution: &Arc<Execution>,
    request: ExecRequest,
) -> Result<Result<u32, StartError>> {
    let (has_terminal, detached) = (request.tty.is_some(), request.detached);
    let timeout_ms = request.timeout_ms;
    let ends = match Ends::make(&request) {
        Ok(ends) => ends,
        Err(error) => return Ok(Err(exhausted(&request, &error))),
    };
    let on_exit = on_exit(table.clone(), Arc::clone(execution));
    let lot = match execution.purpose {
        Purpose::Asked => Lot::Free,
        Purpose::Main(_) => Lot::Main,
        Purpose::Check => Lot::Alone,
    };
    let spawned = execution.zygote.spawn(execution.serial, request, lot, ends.child, on_exit).await?;
    let spawned = match spawned {
        Ok(spawned) => spawned,
        Err(error) => return Ok(Err(error)),
    };
    let (mut stdin, mut stdout) = (ends.stdin.map(Input::pipe).unwrap_or_default(), ends.stdout);
    if let Some(master) = spawned.master.filter(|_| has_terminal) {
        let both = Interest::READABLE | Interest::WRITABLE;
        let terminal = pipe::watch(master, both).context(|| "watch the terminal")?;
        let _ = execution.terminal.set(Arc::clone(&terminal));
        (stdin, stdout) = (Input::terminal(Arc::clone(&terminal)), Some(terminal));
    }
    *execution.input.lock().await = stdin;
    {
        let mut streams = execution.streams();
        let [out, err] = &mut *streams;
        (out.pipe, err.pipe) = (stdout, ends.stderr);
    }
    let _ = execution.about.pid.set(spawned.pid);
    if let Purpose::Main(tap) = &execution.purpose {
        tap.started(spawned.pid);
    }
    execution.phase.send_replace(Phase::Running);
    if execution.settle() {
        table.retire(execution);
    }
    if timeout_ms > 0 {
        tokio::spawn(end_after(Arc::clone(execution), Duration::from_millis(timeout_ms)));
    }
    if detached {
        tokio::spawn(keep(Arc::clone(execution)));
    }
    Ok(Ok(spawned.pid))
}

impl Ends {
    fn make(request: &ExecRequest) -> io::Result<Self> {
        let mut ends = Self { stdin: None, stdout: None, stderr: None, child: Vec::new() };
        if request.tty.is_some() {
            return Ok(ends);
        }
        if request.stdin {
            let (child, ours) = pipe::pair()?;
            ends.stdin = Some(pipe::watch(ours, Interest::WRITABLE)?);
            ends.child.push(child);
        }
        for stream in [&mut ends.stdout, &mut ends.stderr] {
            let (ours, child) = pipe::pair()?;
            *stream = Some(pipe::watch(ours, Interest::READABLE)?);
            ends.child.push(child);
        }
        Ok(ends)
    }
}

/// Notes the end; called by the zygote's listener.
fn on_exit(table: Executions, execution: Arc<Execution>) -> OnExit {
    let kills_before = table.oom_kills();
    Box::new(move |Exited { code, signal, .. }| {
        let timed_out = execution.timed_out.load(Ordering::Relaxed);
        let oom_killed = signal == SIGKILL && table.oom_kills() > kills_before;
        if oom_killed {
            table.tell_oom(execution.id());
        }
        // Twice never; and a child that failed to become the program exits too, which `settle` ignores.
        let _ = execution.exited.set(ExitStatus { code, signal, timed_out, oom_killed });
        if execution.settle() {
            table.retire(&execution);
        }
    })
}

async fn end_after(execution: Arc<Execution>, limit: Duration) {
    if timeout(limit, execution.wait()).await.is_ok() {
        return;
    }
    execution.timed_out.store(true, Ordering::Relaxed);
    // Nothing to do about a signal that can't be sent: the zygote is gone, and every process with it.
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
