//! `Feed`: an execution's standard input on its way into the box, over as many connections as it takes.
//!
//! Opened by `Execution` at the first write. A task of its own holds the call and what was sent lately; when the connection is
//! lost while the machine lives, it sends that again, and the guest skips what it has written.

use std::{
    collections::VecDeque,
    pin::Pin,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    task::{Context, Poll, ready},
};

use boxlite_error::{BoxliteError, BoxliteResult, ErrorCode, Term, text};
use boxlite_portal::{ExecutionInterface, REJOINS, bounded, from_status, is_lost};
use boxlite_proto::v1::ExecStdin;
use boxlite_wire::limits;
use bytes::Bytes;
use futures::{
    FutureExt as _, Stream,
    future::{BoxFuture, Shared},
};
use tokio::sync::mpsc;
use tonic::Code;

use crate::{litebox::lifecycle::machine::Machine, state::id};

/// Pieces that wait to be sent, beside the one that is.
const WAITING: usize = 2;

/// See the module. Dropping it leaves the process's input open, as it is.
#[derive(Debug)]
pub(in crate::litebox) struct Feed {
    pieces: mpsc::Sender<Piece>,
    /// That the box has taken all, or that the process takes no more.
    done: Shared<BoxFuture<'static, BoxliteResult<()>>>,
}

#[derive(Debug)]
enum Piece {
    Data(Bytes),
    End,
}

impl Feed {
    pub(in crate::litebox) fn open(
        interface: ExecutionInterface,
        machine: Arc<Machine>,
        execution_id: String,
    ) -> Self {
        let (pieces, receiver) = mpsc::channel(WAITING);
        let task = tokio::spawn(async move {
            let fed = feed(&interface, &execution_id, receiver).await;
            match fed {
                Ok(()) => Ok(()),
                Err(error) => Err(machine.explain(error).await),
            }
        });
        // A runtime that ends takes the box's end, and this, with it.
        let done = async move { task.await.unwrap_or(Ok(())) };
        Self { pieces, done: done.boxed().shared() }
    }

    /// Resolves when there is room for more. False: the process takes no more.
    pub(in crate::litebox) async fn write(&self, data: Bytes) -> BoxliteResult<bool> {
        match self.pieces.send(Piece::Data(data)).await {
            Ok(()) => Ok(true),
            Err(_) => self.done.clone().await.map(|()| false),
        }
    }

    /// Ends the input after what was written; resolves when the box has all of it.
    pub(in crate::litebox) async fn end(self) -> BoxliteResult<()> {
        // Whoever takes no more needs no end.
        let _ = self.pieces.send(Piece::End).await;
        self.done.await
    }
}

async fn feed(
    interface: &ExecutionInterface,
    execution_id: &str,
    pieces: mpsc::Receiver<Piece>,
) -> BoxliteResult<()> {
    let name = id::random()?;
    let line = Line::new(pieces);
    let (mut reached, mut lost) = (0, 0);
    loop {
        let messages = line.messages(execution_id, &name);
        let Err(status) = interface.send_input(messages).await else { return Ok(()) };
        let end = line.state().end;
        if end > reached {
            (reached, lost) = (end, 0);
        }
        if !is_lost(&status) || lost == REJOINS {
            let what =
                format!("write to the standard input of {execution_id}, {end} bytes after its beginning");
            if status.code() == Code::Aborted && !is_lost(&status) {
                let message = bounded(status.message());
                return Err(BoxliteError::new(ErrorCode::ExecInputClosed, message).hint(text![
                    "input ends for all handles of an execution when one of them calls ",
                    Term::StdinEnd,
                    "; one that is started with ",
                    Term::NoStdin,
                    ", as by ",
                    Term::BoxExec,
                    ", never has any"
                ]));
            }
            return Err(from_status(&what, &status));
        }
        lost += 1;
    }
}

/// What was sent lately, and what is to be sent. Shared by the calls of one feed, of which only the latest gets anything.
#[derive(Debug, Clone)]
struct Line(Arc<Mutex<State>>);

#[derive(Debug)]
struct State {
    pieces: mpsc::Receiver<Piece>,
    sent: VecDeque<Bytes>,
    /// Positions of the first byte of `sent`, and after its last.
    start: u64,
    end: u64,
    /// Whether the caller has ended the input.
    ended: bool,
    calls: u32,
}

/// The messages of one call.
#[derive(Debug)]
struct Messages {
    line: Line,
    call: u32,
    first: Option<ExecStdin>,
    /// Position of the next byte to send.
    next: u64,
    over: bool,
}

impl Line {
    fn new(pieces: mpsc::Receiver<Piece>) -> Self {
        let state = State { pieces, sent: VecDeque::new(), start: 0, end: 0, ended: false, calls: 0 };
        Self(Arc::new(Mutex::new(state)))
    }

    /// From the oldest byte at hand on.
    fn messages(&self, execution_id: &str, feed: &str) -> Messages {
        let mut state = self.state();
        state.calls += 1;
        let (call, next) = (state.calls, state.start);
        drop(state);
        let first = ExecStdin {
            execution_id: execution_id.to_owned(),
            feed: feed.to_owned(),
            offset: next,
            ..ExecStdin::default()
        };
        Messages { line: self.clone(), call, first: Some(first), next, over: false }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    /// The bytes at `position` that are in one piece; none at the end of what was sent.
    fn at(&self, position: u64) -> Option<Bytes> {
        let mut start = self.start;
        for piece in &self.sent {
            let end = start + piece.len() as u64;
            if position < end {
                return Some(piece.slice(usize::try_from(position.checked_sub(start)?).ok()?..));
            }
            start = end;
        }
        None
    }

    fn push(&mut self, data: Bytes) {
        self.end += data.len() as u64;
        self.sent.push_back(data);
        while let Some(oldest) = self.sent.front()
            && self.end - self.start - oldest.len() as u64 >= limits::FEED_REPLAY as u64
        {
            self.start += oldest.len() as u64;
            self.sent.pop_front();
        }
    }
}

impl Stream for Messages {
    type Item = ExecStdin;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<ExecStdin>> {
        if let Some(first) = self.first.take() {
            return Poll::Ready(Some(first));
        }
        let line = self.line.clone();
        let mut state = line.state();
        if self.over || state.calls != self.call {
            return Poll::Ready(None);
        }
        while self.next == state.end && !state.ended {
            match ready!(state.pieces.poll_recv(cx)) {
                Some(Piece::Data(data)) => state.push(data),
                Some(Piece::End) => state.ended = true,
                None => return Poll::Ready(None),
            }
        }
        let Some(data) = state.at(self.next) else {
            self.over = true;
            return Poll::Ready(Some(ExecStdin { eof: true, ..ExecStdin::default() }));
        };
        self.next += data.len() as u64;
        Poll::Ready(Some(ExecStdin { data, ..ExecStdin::default() }))
    }
}

#[cfg(test)]
mod tests {
    use futures::StreamExt as _;

    use super::*;

    fn data(messages: Vec<ExecStdin>) -> (Vec<u8>, bool) {
        let ended = messages.iter().any(|message| message.eof);
        (messages.into_iter().flat_map(|message| message.data).collect(), ended)
    }

    #[tokio::test]
    async fn a_second_call_says_again_what_the_first_one_said_and_goes_on() {
        let (pieces, receiver) = mpsc::channel(8);
        let line = Line::new(receiver);
        pieces.send(Piece::Data(Bytes::from_static(b"one"))).await.unwrap();
        let mut first = line.messages("x", "f");
        assert_eq!(first.next().await.unwrap().offset, 0);
        assert_eq!(first.next().await.unwrap().data, "one");
        pieces.send(Piece::Data(Bytes::from_static(b"two"))).await.unwrap();
        pieces.send(Piece::End).await.unwrap();
        let second = line.messages("x", "f");
        assert_eq!(first.next().await, None, "only the latest call gets anything");
        assert_eq!(data(second.collect().await), (b"onetwo".to_vec(), true));
        assert_eq!(data(line.messages("x", "f").collect().await), (b"onetwo".to_vec(), true));
    }

    #[tokio::test]
    async fn what_is_kept_has_a_bound() {
        const PIECE: usize = 100_000;
        let (pieces, receiver) = mpsc::channel(1);
        let line = Line::new(receiver);
        let sending = tokio::spawn(async move {
            for number in 0..60 {
                pieces.send(Piece::Data(vec![number; PIECE].into())).await.unwrap();
            }
        });
        let (all, ended) = data(line.messages("x", "f").collect().await);
        assert_eq!((all.len(), ended), (60 * PIECE, false));
        sending.await.unwrap();
        let mut again = line.messages("x", "f");
        let offset = usize::try_from(again.next().await.unwrap().offset).unwrap();
        let kept = all.len() - offset;
        assert!((limits::FEED_REPLAY..limits::FEED_REPLAY + PIECE).contains(&kept), "{kept}");
        assert_eq!(data(again.collect().await).0, all[offset..]);
    }
}
