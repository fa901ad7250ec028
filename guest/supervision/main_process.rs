//! The box's main process: started with the container, followed to its end, started again as its policy says.
//!
//! Begun by `supervisor`; runs as an execution with the id [`MAIN`], so that the host can attach to it and signal it.

use std::{pin::Pin, sync::Arc, time::Instant};

use boxlite_proto::v1::{
    self, ExecRequest, ExitStatus, MainExited, MainStarted, StartError, box_event::Event, start_error::Kind,
};
use bytes::Bytes;
use nix::libc::{SIGKILL, SIGTERM};
use tokio::time::sleep;

use super::{Supervisor, journal::Journal, restart::Restarts};
use crate::{
    Error, Kind as ErrorKind, Result,
    execution::{Execution, MAIN, Purpose, Tap},
};

/// Highest signal number of Linux (`_NSIG`).
const LAST_SIGNAL: u32 = 64;

/// A run under way.
#[derive(Debug, Clone, Copy)]
pub(super) struct Running {
    pub(super) serial: u64,
    /// Asks it to end.
    pub(super) stop_signal: i32,
}

/// See the module.
pub(super) struct MainProcess {
    supervisor: Supervisor,
    journal: Journal,
    request: ExecRequest,
    stop_signal: i32,
    restarts: Restarts,
}

impl MainProcess {
    /// Starts it and, if that succeeds, follows it from then on.
    pub(super) async fn begin(
        supervisor: Supervisor,
        journal: Journal,
        orders: v1::MainProcess,
    ) -> Result<Result<(), StartError>> {
        let mut argv = orders.argv.into_iter();
        let Some(command) = argv.next() else {
            return Err(Error::new(ErrorKind::Invalid, "start the main process: it has no command"));
        };
        let stop_signal = match orders.stop_signal {
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
        let restarts = Restarts::new(orders.restart);
        let main = Self { supervisor, journal, request, stop_signal, restarts };
        Ok(match main.start(0).await? {
            Ok(execution) => {
                main.supervisor.0.main_over.send_replace(false);
                tokio::spawn(main.follow(execution));
                Ok(())
            }
            Err(error) => Err(error),
        })
    }

    async fn start(&self, restarts: u32) -> Result<Result<Arc<Execution>, StartError>> {
        let (supervisor, journal) = (self.supervisor.clone(), self.journal.clone());
        let purpose = Purpose::Main(Arc::new(Heard { supervisor, journal, restarts }));
        let started = self.supervisor.0.executions.run(self.request.clone(), purpose).await?;
        if let Ok(execution) = &started {
            let running = Running { serial: execution.serial(), stop_signal: self.stop_signal };
            self.supervisor.set_main(Some(running));
            self.supervisor.0.runs.send_modify(|runs| *runs += 1);
        }
        Ok(started)
    }

    /// From run to run, and to the machine's end.
    async fn follow(mut self, first: Arc<Execution>) {
        let mut next = Some(first);
        for restarts in 1.. {
            let since = Instant::now();
            let exit = match next.take() {
                Some(execution) => ended(&execution).await,
                None => self.start_again(restarts - 1).await,
            };
            self.supervisor.set_main(None);
            let again = self.restarts.after(&exit, since.elapsed()).filter(|_| !self.supervisor.is_ending());
            self.supervisor.tell(Event::MainExited(MainExited {
                exit_code: exit.code.cast_unsigned(),
                signal: exit.signal.cast_unsigned(),
                oom: exit.oom_killed,
                restarts: again.is_some(),
            }));
            let Some(delay) = again else { break };
            tokio::select! {
                () = sleep(delay) => {}
                () = self.supervisor.ending() => break,
            }
        }
        self.supervisor.0.main_over.send_replace(true);
        self.supervisor.end_by_itself().await;
    }

    /// One more run, to its end. One that can't begin ends as a shell would tell it.
    async fn start_again(&self, restarts: u32) -> ExitStatus {
        let error = match self.start(restarts).await {
            Ok(Ok(execution)) => return ended(&execution).await,
            Ok(Err(error)) => error,
            Err(error) => StartError { kind: Kind::Other.into(), message: error.chain() },
        };
        let code = if error.kind() == Kind::CommandNotFound { 127 } else { 126 };
        self.journal.write_output(1, &Bytes::from(format!("{}\n", error.message)));
        ExitStatus { code, ..Default::default() }
    }
}

/// What is heard of one run.
#[derive(Debug)]
struct Heard {
    supervisor: Supervisor,
    journal: Journal,
    restarts: u32,
}

impl Tap for Heard {
    fn started(&self, pid: u32) {
        self.supervisor.tell(Event::MainStarted(MainStarted { pid, restarts: self.restarts }));
    }

    fn take(&self, stream: usize, bytes: &Bytes) {
        self.journal.write_output(stream, bytes);
    }

    fn room(&self) -> Pin<Box<dyn Future<Output = ()> + Send + '_>> {
        Box::pin(self.journal.room())
    }
}

/// Waits for the end, and until all that it wrote was heard.
async fn ended(execution: &Arc<Execution>) -> ExitStatus {
    let exit = execution.wait().await;
    execution.finish().await;
    exit.unwrap_or(ExitStatus { signal: SIGKILL, ..Default::default() })
}
