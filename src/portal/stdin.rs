//! `StdinStream`: an execution's standard input on its way into the box, over as many connections as it takes.
//!
//! Opened by the runtime's `Execution` at the first write. A task of its own holds the call. When the connection is lost, the
//! task sends what the replay buffer has over another one, and the guest skips what it has written already.

use std::{
    pin::Pin,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    task::{Context, Poll, ready},
};

use boxlite_error::{BoxliteError, BoxliteResult, ErrorCode, Term, text};
use boxlite_proto::v1::{ExecStdin, execution_client::ExecutionClient};
use bytes::Bytes;
use futures::{
    FutureExt as _, Stream,
    future::{BoxFuture, Shared},
};
use tokio::sync::mpsc;
use tonic::{Code, Status, transport::Channel};

use crate::{
    rejoins::Rejoins,
    replay_buffer::ReplayBuffer,
    status::{bounded, from_status, is_lost},
};

/// Chunks that wait to be sent, beside the one that is being sent.
const WAITING: usize = 2;

/// The standard input of one execution. Dropping it leaves the process's input open.
#[derive(Debug)]
pub struct StdinStream {
    input: mpsc::Sender<Input>,
    /// Resolves when the box has everything, or the process takes no more.
    done: Shared<BoxFuture<'static, BoxliteResult<()>>>,
}

#[derive(Debug)]
enum Input {
    Chunk(Bytes),
    End,
}

impl StdinStream {
    /// Starts the task that sends. `name` distinguishes the input of this handle from that of others; it has to be new.
    pub(crate) fn open(client: ExecutionClient<Channel>, execution_id: &str, name: String) -> Self {
        let (input, receiver) = mpsc::channel(WAITING);
        let execution_id = execution_id.to_owned();
        let task = tokio::spawn(async move { send(client, &execution_id, &name, receiver).await });
        // A tokio runtime that shuts down ends the task, and with it the box.
        let done = async move { task.await.unwrap_or(Ok(())) };
        Self { input, done: done.boxed().shared() }
    }

    /// Resolves when there is room for more, with false if the process takes no more. `chunk` has at most
    /// [`limits::CHUNK`](boxlite_wire::limits::CHUNK) bytes.
    ///
    /// # Errors
    /// `EXEC_INPUT_CLOSED` if the execution has no input or another handle has ended it, `PORTAL_LOST` if the connection is
    /// lost and can't be made again.
    pub async fn write(&self, chunk: Bytes) -> BoxliteResult<bool> {
        match self.input.send(Input::Chunk(chunk)).await {
            Ok(()) => Ok(true),
            Err(_) => self.done.clone().await.map(|()| false),
        }
    }

    /// Ends the input after what was written. Resolves when the box has all of it, or the process takes no more.
    ///
    /// # Errors
    /// As of [`write`](Self::write).
    pub async fn end(self) -> BoxliteResult<()> {
        // A process that takes no more needs no end.
        let _ = self.input.send(Input::End).await;
        self.done.await
    }
}

/// Sends what comes until it ends, or the process takes no more.
async fn send(
    mut client: ExecutionClient<Channel>,
    execution_id: &str,
    name: &str,
    input: mpsc::Receiver<Input>,
) -> BoxliteResult<()> {
    let sending = Sending::new(input);
    let (mut reached, mut rejoins) = (0, Rejoins::default());
    loop {
        let messages = sending.messages(execution_id, name);
        let Err(status) = client.send_input(messages).await else { return Ok(()) };
        let end = sending.state().buffer.end();
        if end > reached {
            reached = end;
            rejoins.reset();
        }
        if !rejoins.admit(&status) {
            return Err(failed(&status, execution_id, end));
        }
    }
}

fn failed(status: &Status, execution_id: &str, end: u64) -> BoxliteError {
    if status.code() == Code::Aborted && !is_lost(status) {
        let message = bounded(status.message());
        return BoxliteError::new(ErrorCode::ExecInputClosed, message).hint(text![
            "input ends for all handles of an execution when one of them calls ",
            Term::StdinEnd,
            "; one that is started with ",
            Term::NoStdin,
            ", as by ",
            Term::BoxExec,
            ", never has any"
        ]);
    }
    let what = format!("write to the standard input of {execution_id}, {end} bytes after its beginning");
    from_status(&what, status)
}

/// What was sent and what is to be sent. The calls of one stream share it, and only the latest call gets anything.
#[derive(Debug, Clone)]
struct Sending(Arc<Mutex<State>>);

#[derive(Debug)]
struct State {
    input: mpsc::Receiver<Input>,
    buffer: ReplayBuffer,
    /// Whether the caller has ended the input.
    ended: bool,
    calls: u32,
}

/// The messages of one call.
#[derive(Debug)]
struct Messages {
    sending: Sending,
    call: u32,
    first: Option<ExecStdin>,
    /// Position of the next byte to send.
    next: u64,
    over: bool,
}

impl Sending {
    fn new(input: mpsc::Receiver<Input>) -> Self {
        let state = State { input, buffer: ReplayBuffer::default(), ended: false, calls: 0 };
        Self(Arc::new(Mutex::new(state)))
    }

    /// The messages from the oldest byte on that is in the buffer.
    fn messages(&self, execution_id: &str, name: &str) -> Messages {
        let mut state = self.state();
        state.calls += 1;
        let (call, next) = (state.calls, state.buffer.start());
        drop(state);
        let first = ExecStdin {
            execution_id: execution_id.to_owned(),
            stream: name.to_owned(),
            offset: next,
            ..ExecStdin::default()
        };
        Messages { sending: self.clone(), call, first: Some(first), next, over: false }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Stream for Messages {
    type Item = ExecStdin;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<ExecStdin>> {
        if let Some(first) = self.first.take() {
            return Poll::Ready(Some(first));
        }
        let sending = self.sending.clone();
        let mut state = sending.state();
        if self.over || state.calls != self.call {
            return Poll::Ready(None);
        }
        while self.next == state.buffer.end() && !state.ended {
            match ready!(state.input.poll_recv(cx)) {
                Some(Input::Chunk(chunk)) => state.buffer.push(chunk),
                Some(Input::End) => state.ended = true,
                None => return Poll::Ready(None),
            }
        }
        let Some(data) = state.buffer.chunk_at(self.next) else {
            self.over = true;
            return Poll::Ready(Some(ExecStdin { eof: true, ..ExecStdin::default() }));
        };
        self.next += data.len() as u64;
        Poll::Ready(Some(ExecStdin { data, ..ExecStdin::default() }))
    }
}

#[cfg(test)]
mod tests {
    use boxlite_wire::limits;
    use futures::StreamExt as _;

    use super::*;

    fn data(messages: Vec<ExecStdin>) -> (Vec<u8>, bool) {
        let ended = messages.iter().any(|message| message.eof);
        (messages.into_iter().flat_map(|message| message.data).collect(), ended)
    }

    #[tokio::test]
    async fn a_second_call_sends_again_what_the_first_one_sent_and_goes_on() {
        let (input, receiver) = mpsc::channel(8);
        let sending = Sending::new(receiver);
        input.send(Input::Chunk(Bytes::from_static(b"one"))).await.unwrap();
        let mut first = sending.messages("x", "f");
        assert_eq!(first.next().await.unwrap().offset, 0);
        assert_eq!(first.next().await.unwrap().data, "one");
        input.send(Input::Chunk(Bytes::from_static(b"two"))).await.unwrap();
        input.send(Input::End).await.unwrap();
        let second = sending.messages("x", "f");
        assert_eq!(first.next().await, None, "only the latest call gets anything");
        assert_eq!(data(second.collect().await), (b"onetwo".to_vec(), true));
        assert_eq!(data(sending.messages("x", "f").collect().await), (b"onetwo".to_vec(), true));
    }

    #[tokio::test]
    async fn the_replay_buffer_has_a_bound() {
        const CHUNK: usize = 100_000;
        let (input, receiver) = mpsc::channel(1);
        let sending = Sending::new(receiver);
        let writing = tokio::spawn(async move {
            for number in 0..60 {
                input.send(Input::Chunk(vec![number; CHUNK].into())).await.unwrap();
            }
        });
        let (all, ended) = data(sending.messages("x", "f").collect().await);
        assert_eq!((all.len(), ended), (60 * CHUNK, false));
        writing.await.unwrap();
        let mut again = sending.messages("x", "f");
        let offset = usize::try_from(again.next().await.unwrap().offset).unwrap();
        let kept = all.len() - offset;
        assert!((limits::STDIN_REPLAY..limits::STDIN_REPLAY + CHUNK).contains(&kept), "{kept}");
        assert_eq!(data(again.collect().await).0, all[offset..]);
    }
}
