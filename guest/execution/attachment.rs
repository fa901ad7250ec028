//! Reading an execution: its output in order, and its exit as the last event.
//!
//! Created and polled by the Execution service and by health checks, one event whenever the caller has room for it: that is the
//! back-pressure. Calls `drain`.

use std::sync::Arc;

use boxlite_proto::v1::ExitStatus;
use bytes::Bytes;
use tokio::{
    sync::watch,
    time::{Duration, Instant, sleep_until},
};

use super::{
    drain::Drain,
    reader_guard::ReaderGuard,
    readers::Blocked,
    replay::TooOld,
    state::{Execution, Phase},
};
use crate::{Error, Kind, Result};

/// How long a reader that takes nothing may hold back others that would go on.
const STALLED: Duration = Duration::from_secs(10);

/// What an attachment yields.
#[derive(Debug, Clone, PartialEq)]
pub enum Output {
    /// Bytes of stdout, or of the terminal, and the position of the first.
    Stdout(u64, Bytes),
    /// Bytes of stderr and the position of the first.
    Stderr(u64, Bytes),
    /// The end. Nothing follows it.
    Exit(ExitStatus),
}

/// One reader of an execution's output. There may be several: each reads from a pipe when it has room, and the others find those
/// bytes in the replay buffer.
pub struct Attachment {
    guard: ReaderGuard,
    drain: Drain,
    phase: watch::Receiver<Phase>,
    /// Changes when another reader reads, moves on or leaves.
    others: watch::Receiver<()>,
    /// Next byte wanted of each stream.
    next: [u64; 2],
    /// Set while slower readers hold this one back: which of them, and until when they may without moving on.
    blocked: Option<(Blocked, Instant)>,
}

/// The first byte wanted of stdout and of stderr, or `None` for the oldest that is available.
pub type Offsets = [Option<u64>; 2];

impl Attachment {
    /// Attaches to `execution`.
    ///
    /// # Errors
    ///
    /// The program could not be started, an offset is beyond the end, or the output was discarded.
    pub async fn new(execution: Arc<Execution>, from: Offsets) -> Result<Self> {
        Self::of(ReaderGuard::new(execution, None), from).await
    }

    /// The same for a reader that is counted already.
    pub(super) async fn of(guard: ReaderGuard, from: Offsets) -> Result<Self> {
        let execution = &guard.execution;
        execution.started().await?;
        let mut next = [0; 2];
        let streams = execution.streams();
        for ((stream, from), next) in streams.iter().zip(from).zip(&mut next) {
            *next = from.unwrap_or_else(|| stream.replay.oldest());
            if *next > stream.replay.end() {
                let why = format!("the nearest byte at hand is {}", stream.replay.end());
                return Err(refused(Kind::OutOfRange, execution, *next, &why));
            }
            if stream.incomplete && from.is_some() {
                let why = "it has ended, and its output was discarded before anybody read it";
                return Err(refused(Kind::OutputGone, execution, *next, why));
            }
        }
        // From here on nobody reads more than this reader can still find.
        guard.moved(next);
        drop(streams);
        let (phase, others) = (execution.phase.subscribe(), execution.readers.watch());
        let drain = Drain::new(Arc::clone(execution));
        Ok(Self { guard, drain, phase, others, next, blocked: None })
    }

    /// The next event. [`Output::Exit`] is the last, after which this must not be called again.
    ///
    /// # Errors
    ///
    /// A byte that is to come next was dropped from the replay buffer.
    pub async fn next(&mut self) -> Result<Output> {
        loop {
            // What the others do from here on is not missed.
            self.others.borrow_and_update();
            if let Some(output) = self.replayed()? {
                return Ok(output);
            }
            self.check_blocked();
            if let Some(exit) = self.exit() {
                self.drain.note_exit();
                // A background process that always has more to say must not keep the exit back.
                if !self.drain.has_given_up()
                    && let Some(output) = self.drain.order().into_iter().find_map(|index| self.take(index))
                {
                    return Ok(output);
                }
                // This is not so if another reader has read something in the meantime.
                if self.drain.is_over() && self.drain.close(self.next) {
                    self.guard.moved(self.next);
                    self.guard.execution.note_delivery();
                    return Ok(Output::Exit(exit));
                }
            }
            if let Some(output) = self.wait().await {
                return Ok(output);
            }
        }
    }

    fn exit(&self) -> Option<ExitStatus> {
        match &*self.phase.borrow() {
            Phase::Ended(exit) => Some(*exit),
            _ => None,
        }
    }

    /// Bytes that were read before, by an earlier attachment or by another reader.
    fn replayed(&mut self) -> Result<Option<Output>> {
        for index in 0..2 {
            let read = self.guard.execution.streams()[index].replayed(self.next[index]);
            let read = read.map_err(|TooOld { oldest }| {
                let why = format!("the oldest byte at hand is {oldest}");
                refused(Kind::OutputGone, &self.guard.execution, self.next[index], &why)
            });
            if let Some(bytes) = read? {
                self.drain.note_output();
                return Ok(Some(self.advance(index, bytes)));
            }
        }
        Ok(None)
    }

    /// Looks whether slower readers hold this one back, and passes them over when they have not moved on for too long.
    fn check_blocked(&mut self) {
        let ends = self.guard.execution.ends();
        let blocked = self.guard.blocked(ends);
        self.blocked = match self.blocked {
            _ if !blocked.any() => None,
            Some((before, until)) if before.moves == blocked.moves => {
                if Instant::now() >= until {
                    self.guard.pass_over(ends);
                    None
                } else {
                    Some((blocked, until))
                }
            }
            _ => Some((blocked, Instant::now() + STALLED)),
        };
    }

    /// Waits for output, the exit, what other readers do, or a deadline.
    async fn wait(&mut self) -> Option<Output> {
        let deadline = match self.blocked {
            Some((_, until)) if !self.drain.is_paid() => Some(until),
            _ => self.drain.deadline(),
        };
        let ended = self.drain.has_exit();
        // What a slower reader keeps this one from is not waited for.
        let wanted = self.blocked.map_or([true; 2], |(blocked, _)| blocked.streams.map(|blocked| !blocked));
        let index = tokio::select! {
            _ = self.others.changed() => return None,
            index = self.drain.readable(wanted) => index,
            _ = self.phase.changed(), if !ended => return None,
            () = sleep_until(deadline.unwrap_or_else(Instant::now)), if deadline.is_some() => return None,
        };
        self.take(index)
    }

    /// Reads from a stream's pipe, for all readers, unless that has to wait for a slower one.
    fn take(&mut self, index: usize) -> Option<Output> {
        let (guard, next) = (&self.guard, self.next);
        let bytes = self.drain.take(index, |streams| {
            let ends = streams.each_ref().map(|stream| stream.replay.end());
            // Bytes that another has read since come first: reading on could push them out of the replay buffer.
            !guard.blocked(ends).streams[index] && ends[index] == next[index]
        })?;
        if bytes.is_empty() {
            // The end of the stream, which the others are to look at too.
            self.guard.moved(self.next);
            return None;
        }
        Some(self.advance(index, bytes))
    }

    /// Notes what this reader receives.
    fn advance(&mut self, index: usize, bytes: Bytes) -> Output {
        let offset = self.next[index];
        self.next[index] += bytes.len() as u64;
        self.guard.moved(self.next);
        if index == 0 { Output::Stdout(offset, bytes) } else { Output::Stderr(offset, bytes) }
    }
}

fn refused(kind: Kind, execution: &Execution, wanted: u64, why: &str) -> Error {
    Error::new(kind, format!("attach to {} at byte {wanted}: {why}", execution.id()))
}
