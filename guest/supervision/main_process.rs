//! The box's main process: started with the container, and started again after its exit as its policy says.
//!
//! Begun by `begin`. It runs as an execution with the id [`MAIN`], so that the host can attach to it and signal it.

use std::{pin::Pin, sync::Arc, time::Instant};

use boxlite_proto::v1::{
    self, ExecRequest, ExitStatus, MainExited, MainStarted, StartError, box_event::Event, start_error::Kind,
};
use bytes::Bytes;
use nix::libc::{SIGKILL, SIGTERM};
use tokio::time::sleep;

use super::{
    journal::Journal,
    restart::Restarts,
    supervisor::{Running, Supervisor},
};
use crate::{
    Error, Kind as ErrorKind, Result,
    execution::{Execution, MAIN, Purpose, Tap},
};

/// Highest signal number of Linux (`_NSIG`).
const LAST_SIGNAL: u32 = 64;

/// The main process, over all of its runs.
pub(super) struct MainProcess {
    supervisor: Supervisor,
    journal: Journal,
    request: ExecRequest,
    stop_signal: i32,
    restarts: Restarts,
}

impl MainProcess {
    /// Starts it. If that succeeds, a task supervises it until the machine ends.
    pub(super) async fn begin(
        supervisor: Supervisor,
        journal: Journal,
        config: v1::MainProcess,
    ) -> Result<Result<(), StartError>> {
        let mut argv = config.argv.into_iter();
        let Some(command) = argv.next() else {
            return Err(Error::new(ErrorKind::Invalid, "start the main process: it has no command"));
        };
        let stop_signal = match config.stop_signal {
            0 => SIGTERM,
            signal @ 1..=LAST_SIGNAL => signal.cast_signed(),
            other => {
                let what = format!("start the main process: no such stop signal: {other}");
                return Err(Error::new(ErrorKind::Invalid, what));
            }
        };
        // Environment, user and directory are the container's own.
        let request = ExecRequest {
            execution_id: MAIN.to_owned(),
            command,
            args: argv.collect(),
            detached: true,
            ..Default::default()
        };
        let restarts = Restarts::new(config.restart);
        let main = Self { supervisor, journal, request, stop_signal, restarts };
        Ok(match main.start(0).await? {
            Ok(execution) => {
                main.supervisor.0.main_over.send_replace(false);
                tokio::spawn(main.supervise(execution));
                Ok(())
            }
            Err(error) => Err(error),
        })
    }

    async fn start(&self, restarts: u32) -> Result<Result<Arc<Execution>, StartError>> {
        let (supervisor, journal) = (self.supervisor.clone(), self.journal.clone());
        let purpose = Purpose::Main(Arc::new(JournalTap { supervisor, journal, restarts }));
        let started = self.supervisor.0.executions.run(self.request.clone(), purpose).await?;
        if let Ok(execution) = &started {
            let running = Running { serial: execution.serial(), stop_signal: self.stop_signal };
            *self.supervisor.0.main.lock() = Some(running);
            self.supervisor.0.runs.send_modify(|runs| *runs += 1);
        }
        Ok(started)
    }

    /// Waits for the exit of each run and starts the next one. After the last one it ends the machine.
    async fn supervise(mut self, first: Arc<Execution>) {
        let mut next = Some(first);
        for restarts in 1.. {
            let since = Instant::now();
            let exit = match next.take() {
                Some(execution) => exit_of(&execution).await,
                None => self.start_again(restarts - 1).await,
            };
            *self.supervisor.0.main.lock() = None;
            let again =
                self.restarts.after(&exit, since.elapsed()).filter(|_| !self.supervisor.is_shutting_down());
            self.supervisor.emit(Event::MainExited(MainExited {
                exit_code: exit.code.cast_unsigned(),
                signal: exit.signal.cast_unsigned(),
                oom: exit.oom_killed,
                restarts: again.is_some(),
            }));
            let Some(delay) = again else { break };
            tokio::select! {
                () = sleep(delay) => {}
                () = self.supervisor.shutdown_begun() => break,
            }
        }
        self.supervisor.0.main_over.send_replace(true);
        self.supervisor.shut_down_by_guest().await;
    }

    /// One more run, to its exit. A run that can't start exits as it would in a shell.
    async fn start_again(&self, restarts: u32) -> ExitStatus {
        let error = match self.start(restarts).await {
            Ok(Ok(execution)) => return exit_of(&execution).await,
            Ok(Err(error)) => error,
            Err(error) => StartError { kind: Kind::Other.into(), message: error.chain() },
        };
        let code = if error.kind() == Kind::CommandNotFound { 127 } else { 126 };
        self.journal.write_output(1, &Bytes::from(format!("{}\n", error.message)));
        ExitStatus { code, ..Default::default() }
    }
}

/// Writes one run's start and output to the journal.
struct JournalTap {
    supervisor: Supervisor,
    journal: Journal,
    restarts: u32,
}

impl Tap for JournalTap {
    fn started(&self, pid: u32) {
        self.supervisor.emit(Event::MainStarted(MainStarted { pid, restarts: self.restarts }));
    }

    fn take(&self, stream: usize, bytes: &Bytes) {
        self.journal.write_output(stream, bytes);
    }

    fn room(&self) -> Pin<Box<dyn Future<Output = ()> + Send + '_>> {
        Box::pin(self.journal.room())
    }
}

/// Waits for the exit, and until all of its output was read.
async fn exit_of(execution: &Arc<Execution>) -> ExitStatus {
    let exit = execution.wait().await;
    execution.finish().await;
    exit.unwrap_or(ExitStatus { signal: SIGKILL, ..Default::default() })
}
