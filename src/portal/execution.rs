//! `ExecutionInterface`: starts, feeds, watches and ends executions, from the host's side.

use std::time::Duration;

use boxlite_error::{BoxliteError, BoxliteResult, ErrorCode, Term, Text, text};
use boxlite_proto::v1::{
    AttachRequest, ExecOutput, ExecRequest, ExecResponse, ExecStdin, ExitStatus as ExitMessage, KillRequest,
    ListRequest, ResizeTtyRequest, RunningExecution, StartError, TtySize, WaitRequest, exec_output::Event,
    execution_client::ExecutionClient, start_error::Kind,
};
use boxlite_wire::limits;
use futures::Stream;
use tokio::time::{sleep, timeout};
use tonic::{Code, Request, Response, Status, Streaming, transport::Channel};

use crate::{
    connection::Connection,
    exec_options::ExecOptions,
    exit_status::ExitStatus,
    opening::opening,
    status::{REJOINS, bounded, broken, from_status, is_lost},
};

/// What `Attach` gives: output events, then the exit.
pub type OutputStream = Streaming<ExecOutput>;

/// How long an execution that is just about to start is given before it is looked for again.
const STARTING: Duration = Duration::from_millis(20);

/// Highest signal number of Linux (`_NSIG`).
pub const LAST_SIGNAL: i32 = 64;

/// The first byte wanted of stdout and of stderr; `None`: the oldest that the guest has.
pub type Offsets = [Option<u64>; 2];

/// Calls of the `Execution` service.
#[derive(Debug, Clone)]
pub struct ExecutionInterface {
    client: ExecutionClient<Channel>,
}

impl ExecutionInterface {
    pub(crate) fn new(connection: &Connection) -> Self {
        let client = ExecutionClient::new(connection.channel())
            .max_decoding_message_size(limits::MESSAGE)
            .max_encoding_message_size(limits::COMMAND_MESSAGE);
        Self { client }
    }

    /// Starts a process under `id`. Answers its pid.
    pub async fn start(&self, id: &str, options: &ExecOptions) -> BoxliteResult<u32> {
        let what = || format!("execute {:?}", bounded(&options.command));
        let mut once = Once::default();
        let answer = loop {
            let answer = if once.is_started {
                self.pid(id).await.map(|pid| ExecResponse { pid, start_error: None })
            } else {
                let mut request = Request::new(exec_request(id, options));
                request.set_timeout(limits::UNARY_DEADLINE);
                self.client.clone().exec(request).await.map(Response::into_inner)
            };
            match answer {
                Err(status) if once.goes_on(&status) => {}
                answer => break answer.map_err(|status| from_status(&what(), &status))?,
            }
        };
        match answer.start_error {
            Some(error) => Err(start_failed(&what(), &options.command, &error)),
            None => Ok(answer.pid),
        }
    }

    /// Starts a process under `id` and attaches to it, in one call. Answers its pid.
    pub async fn exec(&self, id: &str, options: &ExecOptions) -> BoxliteResult<(u32, OutputStream)> {
        let what = || format!("execute {:?}", bounded(&options.command));
        let mut once = Once::default();
        let (first, events) = loop {
            let answer = if once.is_started { self.take_up(id).await } else { self.run(id, options).await };
            match answer {
                Err(status) if once.goes_on(&status) => {}
                answer => break answer.map_err(|status| from_status(&what(), &status))?,
            }
        };
        match first {
            Some(Event::Started(ExecResponse { start_error: Some(error), .. })) => {
                Err(start_failed(&what(), &options.command, &error))
            }
            Some(Event::Started(ExecResponse { pid, start_error: None })) => Ok((pid, events)),
            _ => Err(broken(&what(), "it did not say first that it started")),
        }
    }

    async fn run(&self, id: &str, options: &ExecOptions) -> Result<(Option<Event>, OutputStream), Status> {
        let mut client = self.client.clone();
        let run = client.run(exec_request(id, options));
        let (first, events) = opening(run, "the box did not say whether it started").await?;
        Ok((first.and_then(|first| first.event), events))
    }

    /// What `run` would have told, of an execution whose answer was lost.
    async fn take_up(&self, id: &str) -> Result<(Option<Event>, OutputStream), Status> {
        // It waits for the start.
        let events = self.attach(id, [Some(0); 2]).await?;
        let started = ExecResponse { pid: self.pid(id).await?, start_error: None };
        Ok((Some(Event::Started(started)), events))
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

    /// Output from there on.
    pub async fn attach(&self, id: &str, from: Offsets) -> Result<OutputStream, Status> {
        let [stdout_offset, stderr_offset] = from;
        let request = AttachRequest { execution_id: id.to_owned(), stdout_offset, stderr_offset };
        Ok(self.client.clone().attach(request).await?.into_inner())
    }

    /// The executions that run, the oldest first.
    pub async fn list(&self) -> BoxliteResult<Vec<RunningExecution>> {
        self.known("").await.map_err(|status| from_status("list executions", &status))
    }

    /// The execution of this id, if it runs or the box remembers it.
    pub async fn find(&self, id: &str) -> BoxliteResult<Option<RunningExecution>> {
        self.look_up(id).await.map_err(|status| from_status("find an execution", &status))
    }

    async fn look_up(&self, id: &str) -> Result<Option<RunningExecution>, Status> {
        Ok(self.known(id).await?.into_iter().find(|known| known.execution_id == id))
    }

    /// All that run, or the one of this id.
    async fn known(&self, id: &str) -> Result<Vec<RunningExecution>, Status> {
        let mut request = Request::new(ListRequest { execution_id: id.to_owned() });
        request.set_timeout(limits::UNARY_DEADLINE);
        Ok(self.client.clone().list(request).await?.into_inner().executions)
    }

    /// Feeds stdin until `messages` end. Ends early, without error, when the process takes no more.
    pub async fn send_input(
        &self,
        messages: impl Stream<Item = ExecStdin> + Send + 'static,
    ) -> Result<(), Status> {
        self.client.clone().send_input(messages).await.map(drop)
    }

    /// Waits for the exit, however long it takes.
    pub async fn wait(&self, id: &str) -> BoxliteResult<ExitStatus> {
        let mut lost = 0;
        let answer = loop {
            match self.client.clone().wait(WaitRequest { execution_id: id.to_owned() }).await {
                Err(status) if is_lost(&status) && lost < REJOINS => lost += 1,
                answer => break answer.map_err(|status| from_status("wait", &status))?,
            }
        };
        let exit = answer.into_inner().exit.ok_or_else(|| broken("wait", "an answer without an exit"))?;
        exit_status(&exit).ok_or_else(|| broken("wait", NO_STATUS))
    }

    /// Signals the process group; with `all`, no process of the execution is left at its end. False: it had ended before.
    pub async fn kill(&self, id: &str, signal: i32, all: bool) -> BoxliteResult<bool> {
        let mut request = Request::new(KillRequest { execution_id: id.to_owned(), signal, all });
        request.set_timeout(limits::UNARY_DEADLINE);
        let what = format!("send signal {signal}");
        let answer = self.client.clone().kill(request).await.map_err(|status| from_status(&what, &status))?;
        Ok(answer.into_inner().delivered)
    }

    /// Sets the terminal's size.
    pub async fn resize(&self, id: &str, cols: u16, rows: u16) -> BoxliteResult<()> {
        let size = Some(tty_size(cols, rows));
        let mut request = Request::new(ResizeTtyRequest { execution_id: id.to_owned(), size });
        request.set_timeout(limits::UNARY_DEADLINE);
        let answer = self.client.clone().resize_tty(request).await;
        answer.map(drop).map_err(|status| from_status("resize the terminal", &status))
    }
}

/// A start that must happen once, over as many connections as it takes: the guest refuses the same id a second time.
#[derive(Debug, Default)]
struct Once {
    lost: u32,
    /// Whether the guest has it already: the answer to an earlier call was lost.
    is_started: bool,
}

impl Once {
    /// Whether there is something to do after this failure.
    fn goes_on(&mut self, failure: &Status) -> bool {
        if is_lost(failure) {
            self.lost += 1;
            return self.lost <= REJOINS;
        }
        failure.code() == Code::AlreadyExists && !std::mem::replace(&mut self.is_started, true)
    }
}

/// What is wrong with an exit that is no [`exit_status`].
pub const NO_STATUS: &str = "an exit code or a signal that Linux does not have";

/// How a process ended; `None`: as none can.
pub fn exit_status(exit: &ExitMessage) -> Option<ExitStatus> {
    let signal = (exit.signal != 0).then_some(exit.signal);
    let known = signal.map_or((0..=255).contains(&exit.code), |signal| (1..=LAST_SIGNAL).contains(&signal));
    known.then(|| ExitStatus {
        code: signal.is_none().then_some(exit.code),
        signal,
        timed_out: exit.timed_out,
        oom_killed: exit.oom_killed,
    })
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
        unset: options.unset.clone(),
    }
}

fn tty_size(cols: u16, rows: u16) -> TtySize {
    TtySize { cols: cols.into(), rows: rows.into() }
}

/// Why `command` could not be started.
pub(crate) fn start_failed(what: &str, command: &str, error: &StartError) -> BoxliteError {
    let (code, hint) = match error.kind() {
        Kind::CommandNotFound => (
            ErrorCode::CommandNotFound,
            Some(text!(format!(
                "check that the image has {:?}; `PATH` inside the box decides, and no shell is involved",
                bounded(command)
            ))),
        ),
        Kind::NotExecutable => (
            ErrorCode::CommandNotExecutable,
            Some(text![
                "exec format error: a script without a `#!` line needs its interpreter named, as in ",
                Term::BoxExecScript,
                "; a program has to be one for this machine's architecture"
            ]),
        ),
        Kind::NoInterpreter => (
            ErrorCode::CommandNotExecutable,
            Some(Text::from(
                "correct the script's `#!` line, or take an image that has the interpreter or loader",
            )),
        ),
        Kind::PermissionDenied => {
            (ErrorCode::CommandNotExecutable, Some(Text::from("check the file's mode and the `user` option")))
        }
        Kind::NoSuchDirectory => {
            (ErrorCode::ExecCwd, Some(Text::from("create the directory first, or change `cwd`")))
        }
        Kind::NoSuchUser => {
            (ErrorCode::ExecUser, Some(Text::from("use a uid, or a name that the image's /etc/passwd has")))
        }
        Kind::Invalid => (ErrorCode::InvalidArgument, None),
        Kind::ResourceExhausted => {
            (ErrorCode::ExecFailed, Some(Text::from("end some processes in the box, or give it more memory")))
        }
        Kind::Other => (ErrorCode::ExecFailed, None),
    };
    BoxliteError::new(code, format!("{}: {}", bounded(what), bounded(&error.message))).maybe_hint(hint)
}
