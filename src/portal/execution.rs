//! `ExecutionInterface`: starts, watches and ends executions, from the host's side. Called by the runtime.

use std::time::Duration;

use boxlite_error::BoxliteResult;
use boxlite_proto::v1::{
    AttachRequest, ExecOutput, ExecResponse, ExecutionInfo, KillRequest, ListRequest, ResizeTtyRequest,
    WaitRequest, exec_output::Event, execution_client::ExecutionClient,
};
use boxlite_wire::limits;
use tokio::time::{sleep, timeout};
use tonic::{Response, Status, Streaming, transport::Channel};

use crate::{
    call::{answered, opening, timed},
    exec_options::ExecOptions,
    exit_status::ExitStatus,
    output::OutputStream,
    rejoins::Rejoins,
    start::{StartAttempts, exec_request, start_failed, tty_size},
    status::{bounded, broken, from_status},
    stdin::StdinStream,
};

/// How long to wait before an execution that is about to start is looked up again.
const STARTING: Duration = Duration::from_millis(20);

/// The first message of an execution's output, and those that follow.
type Opened = (Option<Event>, Streaming<ExecOutput>);

/// Calls of the `Execution` service.
#[derive(Debug, Clone)]
pub struct ExecutionInterface {
    pub(crate) client: ExecutionClient<Channel>,
}

impl ExecutionInterface {
    /// Starts a process under `id`, which must be new. Returns its pid inside the box.
    ///
    /// # Errors
    /// `COMMAND_NOT_FOUND`, `COMMAND_NOT_EXECUTABLE`, `EXEC_CWD`, `EXEC_USER` and `EXEC_FAILED` if it can't be started,
    /// `PORTAL_LOST` and `GUEST_TIMEOUT` if the guest can't be reached.
    pub async fn start(&self, id: &str, options: &ExecOptions) -> BoxliteResult<u32> {
        let what = || format!("execute {:?}", bounded(&options.command));
        let mut attempts = StartAttempts::default();
        let answer = loop {
            let answer = if attempts.is_started {
                self.pid(id).await.map(|pid| ExecResponse { pid, start_error: None })
            } else {
                let request = timed(exec_request(id, options, false));
                self.client.clone().exec(request).await.map(Response::into_inner)
            };
            match answer {
                Err(status) if attempts.admit(&status) => {}
                answer => break answer.map_err(|status| from_status(&what(), &status))?,
            }
        };
        match answer.start_error {
            Some(error) => Err(start_failed(&what(), &options.command, &error)),
            None => Ok(answer.pid),
        }
    }

    /// Starts a process under `id`, which must be new, and attaches to it in the same call. Returns its pid inside the box and
    /// its output. With `defer_started` this may take up to [`limits::START_DEFERRAL`] longer, since the guest sends the answer
    /// with the first output or the end: one message for callers that want nothing before the end.
    ///
    /// # Errors
    /// As of [`start`](Self::start), and `RPC` if the guest breaks the protocol.
    pub async fn exec(
        &self,
        id: &str,
        options: &ExecOptions,
        defer_started: bool,
    ) -> BoxliteResult<(u32, OutputStream)> {
        let what = || format!("execute {:?}", bounded(&options.command));
        let mut attempts = StartAttempts::default();
        let (first, messages) = loop {
            let answer = if attempts.is_started {
                self.attach_started(id).await
            } else {
                self.run(id, options, defer_started).await
            };
            match answer {
                Err(status) if attempts.admit(&status) => {}
                answer => break answer.map_err(|status| from_status(&what(), &status))?,
            }
        };
        match first {
            Some(Event::Started(ExecResponse { start_error: Some(error), .. })) => {
                Err(start_failed(&what(), &options.command, &error))
            }
            Some(Event::Started(ExecResponse { pid, start_error: None })) => {
                Ok((pid, OutputStream::attached(self.client.clone(), id, messages)))
            }
            _ => Err(broken(&what(), "it did not say first that it started")),
        }
    }

    async fn run(&self, id: &str, options: &ExecOptions, defer_started: bool) -> Result<Opened, Status> {
        let mut client = self.client.clone();
        let run = client.run(exec_request(id, options, defer_started));
        let (first, messages) = opening(run, "the box did not say whether it started").await?;
        Ok((first.and_then(|first| first.event), messages))
    }

    /// What `run` would have returned, for an execution that started while its answer was lost.
    async fn attach_started(&self, id: &str) -> Result<Opened, Status> {
        let request =
            AttachRequest { execution_id: id.to_owned(), stdout_offset: Some(0), stderr_offset: Some(0) };
        // The guest answers when the execution has started.
        let messages = self.client.clone().attach(request).await?.into_inner();
        let started = ExecResponse { pid: self.pid(id).await?, start_error: None };
        Ok((Some(Event::Started(started)), messages))
    }

    /// The pid of an execution that was asked for, as soon as it has one.
    async fn pid(&self, id: &str) -> Result<u32, Status> {
        let found = async {
            loop {
                if let Some(found) = self.look_up(id).await? {
                    return Ok(found.pid);
                }
                sleep(STARTING).await;
            }
        };
        let late = || Status::deadline_exceeded(format!("execution {id} did not start"));
        timeout(limits::EXEC_GRACE, found).await.unwrap_or_else(|_| Err(late()))
    }

    /// The output of the execution `id`, from the oldest byte on that the guest has. The guest is called at the first read.
    pub fn output(&self, id: &str) -> OutputStream {
        OutputStream::detached(self.client.clone(), id)
    }

    /// Opens the standard input of the execution `id`. `name` distinguishes the input of this handle from that of others: it has to be
    /// new. To be called on a tokio runtime, which runs the task that sends.
    pub fn stdin(&self, id: &str, name: String) -> StdinStream {
        StdinStream::open(self.client.clone(), id, name)
    }

    /// The executions that run, the oldest first, at most [`limits::LIST`].
    ///
    /// # Errors
    /// `PORTAL_LOST` and `GUEST_TIMEOUT` if the guest can't be reached.
    pub async fn list(&self) -> BoxliteResult<Vec<ExecutionInfo>> {
        let running = self.known("").await.map_err(|status| from_status("list executions", &status))?;
        Ok(running.into_iter().take(limits::LIST).map(bounded_info).collect())
    }

    /// The execution `id`, or `None` if it neither runs nor has ended within [`limits::ENDED`].
    ///
    /// # Errors
    /// `PORTAL_LOST` and `GUEST_TIMEOUT` if the guest can't be reached.
    pub async fn find(&self, id: &str) -> BoxliteResult<Option<ExecutionInfo>> {
        let found = self.look_up(id).await.map_err(|status| from_status("find an execution", &status))?;
        Ok(found.map(bounded_info))
    }

    async fn look_up(&self, id: &str) -> Result<Option<ExecutionInfo>, Status> {
        Ok(self.known(id).await?.into_iter().find(|known| known.id == id))
    }

    /// All that run, or the one of this id.
    async fn known(&self, id: &str) -> Result<Vec<ExecutionInfo>, Status> {
        let request = timed(ListRequest { execution_id: id.to_owned() });
        Ok(self.client.clone().list(request).await?.into_inner().executions)
    }

    /// Waits for the end of the execution `id`, however long it takes.
    ///
    /// # Errors
    /// `EXEC_NOT_FOUND` if the guest does not know it, `PORTAL_LOST` if the connection is lost and can't be made again, `RPC` if the guest
    /// breaks the protocol.
    pub async fn wait(&self, id: &str) -> BoxliteResult<ExitStatus> {
        let mut rejoins = Rejoins::default();
        let answer = loop {
            match self.client.clone().wait(WaitRequest { execution_id: id.to_owned() }).await {
                Err(status) if rejoins.admit(&status) => {}
                answer => break answered("wait", answer)?,
            }
        };
        let exit = answer.exit.ok_or_else(|| broken("wait", "an answer without an exit"))?;
        ExitStatus::try_from(exit).map_err(|how| broken("wait", how))
    }

    /// Signals the process group of the execution `id`, or with `all` every process that it started; then `signal` has to be
    /// SIGKILL. Signal 0 sends none. Returns false if the process had ended before.
    ///
    /// # Errors
    /// `EXEC_NOT_FOUND` if the guest does not know it, `PORTAL_LOST` and `GUEST_TIMEOUT` if the guest can't be reached.
    pub async fn kill(&self, id: &str, signal: i32, all: bool) -> BoxliteResult<bool> {
        let request = timed(KillRequest { execution_id: id.to_owned(), signal, all });
        let answer = self.client.clone().kill(request).await;
        answered(&format!("send signal {signal}"), answer).map(|answer| answer.delivered)
    }

    /// Sets the size of its terminal, in characters.
    ///
    /// # Errors
    /// `INVALID_ARGUMENT` if it has no terminal, `EXEC_NOT_FOUND` if the guest does not know it, `PORTAL_LOST` and
    /// `GUEST_TIMEOUT` if the guest can't be reached.
    pub async fn resize(&self, id: &str, cols: u16, rows: u16) -> BoxliteResult<()> {
        let size = Some(tty_size(cols, rows));
        let request = timed(ResizeTtyRequest { execution_id: id.to_owned(), size });
        answered("resize the terminal", self.client.clone().resize_tty(request).await).map(drop)
    }
}

/// The same with texts of bounded length: a guest that can be trusted has shortened them already.
fn bounded_info(info: ExecutionInfo) -> ExecutionInfo {
    let short = |text: String| text.chars().take(limits::LISTED).collect();
    let args = info.args.into_iter().take(limits::LISTED).map(short).collect();
    ExecutionInfo { id: short(info.id), command: short(info.command), args, ..info }
}
