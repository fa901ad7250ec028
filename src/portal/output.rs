//! `OutputStream`: what an execution writes and how it ends, over as many connections as it takes. Made by `execution`, read by
//! the runtime's `Execution`. Order, offsets and sizes of the guest's messages are checked here.

use boxlite_error::{BoxliteError, BoxliteResult, ErrorCode};
use boxlite_proto::v1::{
    AttachRequest, Chunk, ExecOutput, exec_output::Event, execution_client::ExecutionClient,
};
use bytes::Bytes;
use serde::{Deserialize, Serialize};
use tonic::{Code, Status, Streaming, transport::Channel};

use crate::{
    exit_status::ExitStatus,
    rejoins::Rejoins,
    status::{bounded, broken, from_status, is_lost},
};

/// What a process did. Events come in the order in which they happened.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ExecEvent {
    /// It wrote to stdout, or to its terminal.
    Stdout(Bytes),
    /// It wrote to stderr.
    Stderr(Bytes),
    /// It ended. Nothing follows.
    Exit(ExitStatus),
}

impl ExecEvent {
    /// Bytes of output in it.
    pub fn size(&self) -> usize {
        match self {
            Self::Stdout(data) | Self::Stderr(data) => data.len(),
            Self::Exit(_) => 0,
        }
    }
}

/// The output of one execution. It is attached to at the first read, and again where it was when a connection was lost.
#[derive(Debug)]
pub struct OutputStream {
    client: ExecutionClient<Channel>,
    execution_id: String,
    state: State,
    /// The next byte due of each stream; `None` if that is what the first chunk says.
    stdout: Option<u64>,
    stderr: Option<u64>,
}

#[derive(Debug)]
enum State {
    Detached,
    Attached(Box<Streaming<ExecOutput>>),
    Ended,
}

impl OutputStream {
    /// The output of an execution that nobody reads yet, from the oldest byte on that the guest has.
    pub(crate) fn detached(client: ExecutionClient<Channel>, execution_id: &str) -> Self {
        let execution_id = execution_id.to_owned();
        Self { client, execution_id, state: State::Detached, stdout: None, stderr: None }
    }

    /// The output of an execution that has just been started, from its first byte on.
    pub(crate) fn attached(
        client: ExecutionClient<Channel>,
        execution_id: &str,
        messages: Streaming<ExecOutput>,
    ) -> Self {
        let (execution_id, state) = (execution_id.to_owned(), State::Attached(Box::new(messages)));
        Self { client, execution_id, state, stdout: Some(0), stderr: Some(0) }
    }

    /// The next event, or `None` after the exit was given. A lost connection is made again while `is_alive` says that the
    /// machine runs. Dropping the future loses nothing.
    ///
    /// # Errors
    /// `PORTAL_LOST` if the connection is lost and can't be made again, `EXEC_OUTPUT_LOST` if the guest no longer has the bytes that are due,
    /// `EXEC_NOT_FOUND` if it no longer knows the execution, `RPC` if it breaks the protocol.
    pub async fn next(&mut self, is_alive: impl Fn() -> bool) -> BoxliteResult<Option<ExecEvent>> {
        let mut rejoins = Rejoins::default();
        while !self.has_ended() {
            // Between the message and its account there is no await.
            match self.message().await {
                Ok(Some(message)) => return self.accept(message).map(Some),
                Ok(None) => return Err(self.broken("its output ended without an exit")),
                Err(status) => {
                    if is_lost(&status) {
                        self.state = State::Detached;
                    }
                    if !(is_alive() && rejoins.admit(&status)) {
                        return Err(self.failed(&status));
                    }
                }
            }
        }
        Ok(None)
    }

    /// Whether the exit was given.
    pub fn has_ended(&self) -> bool {
        matches!(self.state, State::Ended)
    }

    /// Stops reading, so that the guest may drop what nobody reads. The next read begins with the oldest byte that it has then.
    pub fn detach(&mut self) {
        if let State::Attached(_) = self.state {
            (self.state, self.stdout, self.stderr) = (State::Detached, None, None);
        }
    }

    async fn message(&mut self) -> Result<Option<ExecOutput>, Status> {
        if let State::Detached = self.state {
            let request = AttachRequest {
                execution_id: self.execution_id.clone(),
                stdout_offset: self.stdout,
                stderr_offset: self.stderr,
            };
            self.state = State::Attached(Box::new(self.client.attach(request).await?.into_inner()));
        }
        match &mut self.state {
            State::Attached(messages) => messages.message().await,
            State::Detached | State::Ended => Ok(None),
        }
    }

    /// Checks a message against those before it.
    fn accept(&mut self, message: ExecOutput) -> BoxliteResult<ExecEvent> {
        let event = match message.event {
            Some(Event::Stdout(chunk)) => advance(&mut self.stdout, chunk).map(ExecEvent::Stdout),
            Some(Event::Stderr(chunk)) => advance(&mut self.stderr, chunk).map(ExecEvent::Stderr),
            Some(Event::Exit(exit)) => ExitStatus::try_from(exit).map(ExecEvent::Exit).map_err(str::to_owned),
            Some(Event::Started(_)) => Err("a second start".to_owned()),
            None => Err("an event without content".to_owned()),
        };
        if let Ok(ExecEvent::Exit(_)) = event {
            self.state = State::Ended;
        }
        event.map_err(|how| self.broken(&how))
    }

    /// Names the offsets that were reached.
    fn failed(&self, status: &Status) -> BoxliteError {
        let what = format!(
            "read the output of {} at stdout {} and stderr {}",
            self.execution_id,
            self.stdout.unwrap_or(0),
            self.stderr.unwrap_or(0)
        );
        if status.code() == Code::DataLoss && !is_lost(status) {
            let message = format!("{what}: it is gone: {}", bounded(status.message()));
            return BoxliteError::new(ErrorCode::ExecOutputLost, message)
                .hint("the box keeps the last 1 MiB of each stream for a reader that takes nothing for ten seconds while another reads on");
        }
        from_status(&what, status)
    }

    /// The error of a guest that breaks the protocol.
    pub fn broken(&self, how: &str) -> BoxliteError {
        broken(&format!("read the output of execution {}", self.execution_id), how)
    }
}

/// The bytes of a chunk that begins where the one before it ended; else what is wrong with it.
fn advance(next: &mut Option<u64>, chunk: Chunk) -> Result<Bytes, String> {
    let due = next.unwrap_or(chunk.offset);
    if chunk.offset != due {
        return Err(format!("output at offset {} where {due} was due", chunk.offset));
    }
    if chunk.data.is_empty() {
        return Err("output without content".to_owned());
    }
    let end = due.checked_add(chunk.data.len() as u64).ok_or("an offset beyond all bounds")?;
    *next = Some(end);
    Ok(chunk.data)
}
