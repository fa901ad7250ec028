//! `ExecutionInterface`: starts, feeds, watches and ends executions, from the host's side.

use boxlite_proto::{
    limits,
    v1::{
        AttachRequest, ExecOutput, ExecRequest, ExecResponse, ExecStdin, ExitStatus as ExitMessage,
        KillRequest, ListRequest, ResizeTtyRequest, RunningExecution, StartError, TtySize, WaitRequest,
        exec_output::Event, execution_client::ExecutionClient, start_error::Kind,
    },
};
use tokio::{sync::mpsc, time::timeout};
use tokio_stream::wrappers::ReceiverStream;
use tonic::{Request, Status, Streaming, transport::Channel};

use super::{
    Connection,
    fault::{bounded, broken, from_status},
};
use crate::{BoxliteError, BoxliteResult, ErrorCode, ExecOptions, ExitStatus};

/// What `Attach` gives: output events, then the exit.
pub(crate) type OutputStream = Streaming<ExecOutput>;

/// Where an `Attach` begins.
#[derive(Debug, Clone, Copy)]
pub(crate) enum From {
    /// At these bytes of stdout and stderr.
    Offsets(u64, u64),
    /// At the oldest bytes that the guest has.
    Oldest,
}

/// Calls of the `Execution` service.
#[derive(Debug, Clone)]
pub(crate) struct ExecutionInterface {
    client: ExecutionClient<Channel>,
}

impl ExecutionInterface {
    pub(super) fn new(connection: &Connection) -> Self {
        let client = ExecutionClient::new(connection.channel())
            .max_decoding_message_size(limits::MESSAGE)
            .max_encoding_message_size(limits::MESSAGE);
        Self { client }
    }

    /// Starts a process under `id`. Answers its pid.
    pub(crate) async fn start(&self, id: &str, options: &ExecOptions) -> BoxliteResult<u32> {
        let what = || format!("execute {:?}", options.command);
        let mut request = Request::new(exec_request(id, options));
        request.set_timeout(limits::UNARY_DEADLINE);
        let answer = self.client.clone().exec(request).await;
        let answer = answer.map_err(|status| from_status(&what(), &status))?.into_inner();
        match answer.start_error {
            Some(error) => Err(start_failed(&what(), &options.command, &error)),
            None => Ok(answer.pid),
        }
    }

    /// Starts a process under `id` and attaches to it, in one call. Answers its pid.
    pub(crate) async fn exec(&self, id: &str, options: &ExecOptions) -> BoxliteResult<(u32, OutputStream)> {
        let what = || format!("execute {:?}", options.command);
        let run = async {
            let mut events = self.client.clone().run(exec_request(id, options)).await?.into_inner();
            Ok::<_, Status>((events.message().await?, events))
        };
        let late = || Status::deadline_exceeded("the box did not say whether it started");
        let answered = timeout(limits::UNARY_DEADLINE, run).await.unwrap_or_else(|_| Err(late()));
        let (first, events) = answered.map_err(|status| from_status(&what(), &status))?;
        match first.and_then(|first| first.event) {
            Some(Event::Started(ExecResponse { start_error: Some(error), .. })) => {
                Err(start_failed(&what(), &options.command, &error))
            }
            Some(Event::Started(ExecResponse { pid, start_error: None })) => Ok((pid, events)),
            _ => Err(broken(&what(), "it did not say first that it started")),
        }
    }

    /// Output from there on.
    pub(crate) async fn attach(&self, id: &str, from: From) -> Result<OutputStream, Status> {
        let (stdout_offset, stderr_offset, oldest) = match from {
            From::Offsets(stdout, stderr) => (stdout, stderr, false),
            From::Oldest => (0, 0, true),
        };
        let request = AttachRequest { execution_id: id.to_owned(), stdout_offset, stderr_offset, oldest };
        Ok(self.client.clone().attach(request).await?.into_inner())
    }

    /// The executions that run, the oldest first.
    pub(crate) async fn list(&self) -> BoxliteResult<Vec<RunningExecution>> {
        self.known(ListRequest::default()).await
    }

    /// The execution of this id, if it runs or the box remembers it.
    pub(crate) async fn find(&self, id: &str) -> BoxliteResult<Option<RunningExecution>> {
        let known = self.known(ListRequest { execution_id: id.to_owned() }).await?;
        Ok(known.into_iter().find(|known| known.execution_id == id))
    }

    async fn known(&self, request: ListRequest) -> BoxliteResult<Vec<RunningExecution>> {
        let mut request = Request::new(request);
        request.set_timeout(limits::UNARY_DEADLINE);
        let answer = self.client.clone().list(request).await;
        Ok(answer.map_err(|status| from_status("list executions", &status))?.into_inner().executions)
    }

    /// Feeds stdin until `input` ends. Ends early, without error, when the process takes no more.
    pub(crate) async fn send_input(&self, input: mpsc::Receiver<ExecStdin>) -> BoxliteResult<u64> {
        let answer = self.client.clone().send_input(ReceiverStream::new(input)).await;
        Ok(answer.map_err(|status| from_status("write to stdin", &status))?.into_inner().accepted)
    }

    /// Waits for the exit, however long it takes.
    pub(crate) async fn wait(&self, id: &str) -> BoxliteResult<ExitStatus> {
        let request = WaitRequest { execution_id: id.to_owned() };
        let answer =
            self.client.clone().wait(request).await.map_err(|status| from_status("wait", &status))?;
        let exit = answer.into_inner().exit.ok_or_else(|| broken("wait", "an answer without an exit"))?;
        Ok(exit_status(&exit))
    }

    /// Signals the process group; with `all`, no process of the execution is left at its end. False: it had ended before.
    pub(crate) async fn kill(&self, id: &str, signal: i32, all: bool) -> BoxliteResult<bool> {
        let mut request = Request::new(KillRequest { execution_id: id.to_owned(), signal, all });
        request.set_timeout(limits::UNARY_DEADLINE);
        let what = format!("send signal {signal}");
        let answer = self.client.clone().kill(request).await.map_err(|status| from_status(&what, &status))?;
        Ok(answer.into_inner().delivered)
    }

    /// Sets the terminal's size.
    pub(crate) async fn resize(&self, id: &str, cols: u16, rows: u16) -> BoxliteResult<()> {
        let size = Some(tty_size(cols, rows));
        let mut request = Request::new(ResizeTtyRequest { execution_id: id.to_owned(), size });
        request.set_timeout(limits::UNARY_DEADLINE);
        let answer = self.client.clone().resize_tty(request).await;
        answer.map(drop).map_err(|status| from_status("resize the terminal", &status))
    }
}

pub(crate) fn exit_status(exit: &ExitMessage) -> ExitStatus {
    let signal = (exit.signal != 0).then_some(exit.signal);
    ExitStatus {
        code: signal.is_none().then_some(exit.code),
        signal,
        timed_out: exit.timed_out,
        oom_killed: exit.oom_killed,
    }
}

fn exec_request(id: &str, options: &ExecOptions) -> ExecRequest {
    ExecRequest {
        execution_id: id.to_owned(),
        command: options.command.clone(),
        args: options.args.clone(),
        env: options.env.iter().map(|(key, value)| format!("{key}={value}")).collect(),
        cwd: options.cwd.clone().unwrap_or_default(),
        user: options.user.clone().unwrap_or_default(),
        tty: options.tty.map(|(cols, rows)| tty_size(cols, rows)),
        stdin: options.stdin,
        timeout_ms: options.timeout_ms,
        detached: options.detached,
        hold_start: options.hold_start,
    }
}

fn tty_size(cols: u16, rows: u16) -> TtySize {
    TtySize { cols: cols.into(), rows: rows.into() }
}

/// Why `command` could not be started.
pub(super) fn start_failed(what: &str, command: &str, error: &StartError) -> BoxliteError {
    let (code, hint) = match error.kind() {
        Kind::CommandNotFound => (
            ErrorCode::CommandNotFound,
            Some(format!(
                "check that the image has {command:?}; `PATH` inside the box decides, and no shell is involved"
            )),
        ),
        Kind::PermissionDenied => {
            (ErrorCode::CommandNotExecutable, Some("check the file's mode and the `user` option".to_owned()))
        }
        Kind::NoSuchDirectory => {
            (ErrorCode::ExecCwd, Some("create the directory first, or change `cwd`".to_owned()))
        }
        Kind::NoSuchUser => {
            (ErrorCode::ExecUser, Some("use a uid, or a name that the image's /etc/passwd has".to_owned()))
        }
        Kind::Invalid => (ErrorCode::InvalidArgument, None),
        Kind::ResourceExhausted => {
            (ErrorCode::ExecFailed, Some("end some processes in the box, or give it more memory".to_owned()))
        }
        Kind::Other => (ErrorCode::ExecFailed, None),
    };
    BoxliteError::new(code, format!("{what}: {}", bounded(&error.message))).maybe_hint(hint)
}
