//! `Execution`: one process in a box, with its streams. Made by `LiteBox::spawn`, held by the caller.
//!
//! Output is pulled: a caller that does not pull stops the writer in the box through HTTP/2 flow control, so nothing
//! is lost and at most `limits::STREAM_WINDOW` bytes wait here. A broken connection is joined again at the offset
//! reached, for as long as the machine lives.

use std::{
    mem,
    sync::{Arc, OnceLock},
    time::Duration,
};

use boxlite_error::{BoxliteError, BoxliteResult, ErrorCode};
use boxlite_portal::{
    ExecOptions, ExecutionInterface, ExitStatus, LAST_SIGNAL, NO_STATUS, Offsets, OutputStream, REJOINS,
    bounded, exit_status, from_status, is_lost,
};
use boxlite_proto::v1::{Chunk, ExecOutput, exec_output::Event};
use boxlite_wire::limits;
use bytes::Bytes;
use futures::FutureExt;
use tokio::sync::{Mutex, Notify};
use tonic::{Code, Status};

use crate::{
    events::EventKind,
    home::metrics::RuntimeMetrics,
    litebox::{
        executions::{deadline_guard::Overtime, stdin::Feed},
        lifecycle::machine::Machine,
    },
};

/// How long a `recv` gets to let go of the output.
const LET_GO: Duration = Duration::from_millis(20);

const SIGKILL: i32 = 9;

/// What a process did, in order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ExecEvent {
    /// It wrote to stdout, or to its terminal.
    Stdout(Bytes),
    /// It wrote to stderr.
    Stderr(Bytes),
    /// It ended; nothing follows.
    Exit(ExitStatus),
}

impl ExecEvent {
    /// Bytes of output in it.
    fn len(&self) -> usize {
        match self {
            Self::Stdout(data) | Self::Stderr(data) => data.len(),
            Self::Exit(_) => 0,
        }
    }
}

/// The means to end an execution. Holds nothing of its output.
#[derive(Debug, Clone)]
pub struct ExecutionEnd {
    id: String,
    interface: ExecutionInterface,
}

/// One process in a box. Clones share it.
#[derive(Debug, Clone)]
pub struct Execution {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    id: String,
    pid: u32,
    interface: ExecutionInterface,
    machine: Arc<Machine>,
    metrics: Arc<RuntimeMetrics>,
    output: Mutex<Output>,
    input: Mutex<Input>,
    exit: OnceLock<ExitStatus>,
    /// Ends a `recv` that waits.
    let_go: Notify,
}

/// The stream and how far it got.
#[derive(Debug)]
struct Output {
    stream: Stream,
    /// Met after events that were given first; the next call tells it.
    failure: Option<BoxliteError>,
    /// Next byte due of each stream; `None`: wherever the first chunk says.
    stdout: Option<u64>,
    stderr: Option<u64>,
    overtime: Overtime,
}

#[derive(Debug)]
enum Stream {
    /// Of one that nobody reads yet: the first reader attaches, at the oldest bytes at hand.
    Unopened,
    Open(Box<OutputStream>),
    /// The exit was given.
    Ended,
}

#[derive(Debug)]
enum Input {
    Unopened,
    Open(Feed),
    Closed,
}

impl Execution {
    pub(crate) fn new(
        id: String,
        pid: u32,
        output: Option<OutputStream>,
        interface: ExecutionInterface,
        machine: Arc<Machine>,
        metrics: Arc<RuntimeMetrics>,
        options: &ExecOptions,
    ) -> Self {
        let (stream, at) = match output {
            Some(output) => (Stream::Open(Box::new(output)), Some(0)),
            None => (Stream::Unopened, None),
        };
        let overtime = Overtime::new(options.timeout_ms);
        let output = Mutex::new(Output { stream, failure: None, stdout: at, stderr: at, overtime });
        let input = Mutex::new(if options.stdin { Input::Unopened } else { Input::Closed });
        Self {
            inner: Arc::new(Inner {
                id,
                pid,
                interface,
                machine,
                metrics,
                output,
                input,
                exit: OnceLock::new(),
                let_go: Notify::new(),
            }),
        }
    }

    /// The id that names it in its box.
    pub fn id(&self) -> &str {
        &self.inner.id
    }

    /// Its pid inside the box.
    pub fn pid(&self) -> u32 {
        self.inner.pid
    }

    /// What came, in order, up to about `max` bytes of it; waits for the first. `None` after the exit was given.
    pub async fn recv(&self, max: usize) -> BoxliteResult<Option<Vec<ExecEvent>>> {
        let mut output = self.inner.output.lock().await;
        if let Some(failure) = output.failure.take() {
            return Err(failure);
        }
        let mut events = Vec::new();
        let mut size = 0;
        while size < max && !matches!(output.stream, Stream::Ended) {
            // The first event is waited for; the rest is what has already come.
            let next = if events.is_empty() {
                tokio::select! {
                    next = self.inner.next(&mut output) => next,
                    () = self.inner.let_go.notified() => return Ok(None),
                }
            } else {
                match self.inner.next(&mut output).now_or_never() {
                    Some(next) => next,
                    None => break,
                }
            };
            match next {
                Ok(event) => {
                    size += event.len();
                    events.push(event);
                }
                Err(failure) if events.is_empty() => return Err(failure),
                // What came before it is given first.
                Err(failure) => {
                    output.failure = Some(failure);
                    break;
                }
            }
        }
        Ok((!events.is_empty()).then_some(events))
    }

    /// Feeds stdin; resolves when there is room for it. What a process does not read any more is dropped, as a pipe
    /// to an ended process would.
    pub async fn write(&self, data: Bytes) -> BoxliteResult<()> {
        let mut input = self.inner.input.lock().await;
        if matches!(*input, Input::Unopened) {
            *input = self.open_input();
        }
        let Input::Open(feed) = &*input else { return Ok(()) };
        let mut rest = data;
        while !rest.is_empty() {
            let chunk = rest.split_to(rest.len().min(limits::CHUNK));
            self.inner.metrics.count_bytes(chunk.len());
            if !feed.write(chunk).await? {
                *input = Input::Closed;
                return Ok(());
            }
        }
        Ok(())
    }

    /// Closes stdin after what was written; resolves when the box has taken all of it, or the process takes no more.
    pub async fn close_stdin(&self) -> BoxliteResult<()> {
        let mut input = self.inner.input.lock().await;
        if matches!(*input, Input::Unopened) {
            *input = self.open_input();
        }
        match mem::replace(&mut *input, Input::Closed) {
            Input::Open(feed) => feed.end().await,
            Input::Unopened | Input::Closed => Ok(()),
        }
    }

    /// Lets go of the output: of a detached execution, so that it runs on unhindered. The next `recv` attaches again.
    pub async fn detach(&self) {
        let mut output = loop {
            // A `recv` under way lets go; one that has not begun to wait yet does so the next time round.
            self.inner.let_go.notify_waiters();
            if let Ok(output) = tokio::time::timeout(LET_GO, self.inner.output.lock()).await {
                break output;
            }
        };
        if matches!(output.stream, Stream::Open(_)) {
            let Output { stream, failure, stdout, stderr, overtime: _ } = &mut *output;
            (*stream, *failure, *stdout, *stderr) = (Stream::Unopened, None, None, None);
        }
    }

    /// Whether its end is known here.
    pub fn has_ended(&self) -> bool {
        self.inner.exit.get().is_some()
    }

    /// What ends it without holding on to its streams.
    pub fn ending(&self) -> ExecutionEnd {
        ExecutionEnd { id: self.inner.id.clone(), interface: self.inner.interface.clone() }
    }

    /// Ends every process of it with SIGKILL, also those that left its process group. False: it had ended before.
    pub async fn kill_all(&self) -> BoxliteResult<bool> {
        self.signal(SIGKILL, true).await
    }

    /// Signals the process group; 0 sends nothing and asks whether it runs. False: it had ended before.
    pub async fn kill(&self, signal: i32) -> BoxliteResult<bool> {
        self.signal(signal, false).await
    }

    async fn signal(&self, signal: i32, all: bool) -> BoxliteResult<bool> {
        if !(0..=LAST_SIGNAL).contains(&signal) {
            return Err(BoxliteError::invalid(format!("argument `signal`: must be 0 to 64: {signal}")));
        }
        if self.inner.exit.get().is_some() {
            return Ok(false);
        }
        self.inner.interface.kill(&self.inner.id, signal, all).await
    }

    /// Sets the size of its terminal.
    pub async fn resize(&self, cols: u16, rows: u16) -> BoxliteResult<()> {
        self.inner.interface.resize(&self.inner.id, cols, rows).await
    }

    /// Waits for the exit without taking output: a process that waits for a reader never ends.
    pub async fn wait(&self) -> BoxliteResult<ExitStatus> {
        if let Some(exit) = self.inner.exit.get() {
            return Ok(*exit);
        }
        match self.inner.interface.wait(&self.inner.id).await {
            Ok(exit) => Ok(self.inner.ended(exit)),
            // The exit may have come with the output in the meantime.
            Err(error) => self.inner.exit.get().copied().ok_or(self.inner.machine.explain(error).await),
        }
    }

    fn open_input(&self) -> Input {
        let Inner { id, interface, machine, .. } = &*self.inner;
        Input::Open(Feed::open(interface.clone(), Arc::clone(machine), id.clone()))
    }
}

impl ExecutionEnd {
    /// See [`Execution::kill_all`].
    pub async fn kill_all(&self) -> BoxliteResult<bool> {
        self.interface.kill(&self.id, SIGKILL, true).await
    }
}

impl Inner {
    /// The next event. Cancel-safe: a message that was taken from the stream is accounted for before the next await.
    async fn next(&self, output: &mut Output) -> BoxliteResult<ExecEvent> {
        let mut lost = None;
        for _ in 0..=REJOINS {
            let next = tokio::select! {
                biased;
                next = self.message(&mut output.stream, [output.stdout, output.stderr]) => next,
                () = output.overtime.silence() => return Err(self.broken("it runs on past its timeout")),
            };
            match next {
                Ok(Some(message)) => {
                    let event = self.accept(output, message)?;
                    if !output.overtime.admits(event.len()) {
                        return Err(self.broken("it writes on past its timeout"));
                    }
                    if let ExecEvent::Exit(_) = event {
                        output.stream = Stream::Ended;
                    }
                    return Ok(event);
                }
                Ok(None) => return Err(self.broken("its output ended without an exit")),
                Err(status) if is_lost(&status) && self.machine.outcome().is_none() => {
                    output.stream = Stream::Unopened;
                    lost = Some(status);
                }
                Err(status) => return Err(self.lost(output, &status).await),
            }
        }
        let lost = lost.unwrap_or_else(|| Status::unavailable("joined again and lost again"));
        Err(self.lost(output, &lost).await)
    }

    /// The next message, attaching where the output is to go on if nobody does.
    async fn message(&self, stream: &mut Stream, from: Offsets) -> Result<Option<ExecOutput>, Status> {
        if let Stream::Unopened = stream {
            *stream = Stream::Open(Box::new(self.interface.attach(&self.id, from).await?));
        }
        match stream {
            Stream::Open(open) => open.message().await,
            Stream::Unopened | Stream::Ended => Ok(None),
        }
    }

    /// Checks a message against what came before it: a guest may lie.
    fn accept(&self, output: &mut Output, message: ExecOutput) -> BoxliteResult<ExecEvent> {
        let Some(event) = message.event else { return Err(self.broken("an event without content")) };
        match event {
            Event::Stdout(chunk) => self.advance(&mut output.stdout, chunk).map(ExecEvent::Stdout),
            Event::Stderr(chunk) => self.advance(&mut output.stderr, chunk).map(ExecEvent::Stderr),
            Event::Exit(exit) => {
                let exit = exit_status(&exit).ok_or_else(|| self.broken(NO_STATUS))?;
                Ok(ExecEvent::Exit(self.ended(exit)))
            }
            Event::Started(_) => Err(self.broken("a second start")),
        }
    }

    /// Notes its end, and tells of it once, whichever way it came.
    fn ended(&self, exit: ExitStatus) -> ExitStatus {
        *self.exit.get_or_init(|| {
            let observed = &self.machine.observed;
            let execution_id = || self.id.clone();
            observed.tell(|| EventKind::ExecExited { execution_id: execution_id(), exit });
            // A guest that is listened to tells this itself.
            if exit.oom_killed && !observed.is_watched() {
                observed.tell(|| EventKind::OutOfMemory { execution_id: Some(execution_id()) });
            }
            exit
        })
    }

    fn advance(&self, next: &mut Option<u64>, chunk: Chunk) -> BoxliteResult<Bytes> {
        let offset = next.unwrap_or(chunk.offset);
        if chunk.offset != offset {
            return Err(self.broken(&format!("output at offset {} where {offset} was due", chunk.offset)));
        }
        if chunk.data.is_empty() {
            return Err(self.broken("output without content"));
        }
        let end = offset.checked_add(chunk.data.len() as u64);
        *next = Some(end.ok_or_else(|| self.broken("an offset beyond all bounds"))?);
        self.metrics.count_bytes(chunk.data.len());
        Ok(chunk.data)
    }

    /// A lost connection names the offset reached and, if it died, why the machine did.
    async fn lost(&self, output: &Output, status: &Status) -> BoxliteError {
        let what = format!(
            "read the output of {} at stdout {} and stderr {}",
            self.id,
            output.stdout.unwrap_or(0),
            output.stderr.unwrap_or(0)
        );
        if status.code() == Code::DataLoss && !is_lost(status) {
            let message = format!("{what}: it is gone: {}", bounded(status.message()));
            return BoxliteError::new(ErrorCode::ExecOutputLost, message)
                .hint("the box keeps the last 1 MiB of each stream for a reader that takes nothing for ten seconds while another reads on");
        }
        self.machine.explain(from_status(&what, status)).await
    }

    fn broken(&self, how: &str) -> BoxliteError {
        BoxliteError::new(
            ErrorCode::Rpc,
            format!("read the output of execution {}: the box broke the protocol: {how}", self.id),
        )
    }
}
