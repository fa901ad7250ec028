//! Reads an execution's pipes into its replay buffers, and decides when they are through after the exit.
//!
//! Used by `attachment` for readers and by `background` while there is none.

use std::{future::pending, sync::Arc};

use boxlite_wire::limits;
use bytes::Bytes;
use tokio::time::{Duration, Instant};

use super::{
    output_stream::OutputStream,
    pipe::{self, Pipe},
    purpose::Purpose,
    state::Execution,
};

/// How long a stream that a background process keeps open must be quiet after the exit.
const QUIET: Duration = Duration::from_millis(20);

/// How long after the exit such a stream is closed in any case.
pub(super) const GIVE_UP: Duration = Duration::from_millis(200);

/// The way to the end of an execution's pipes.
pub(super) struct Drain {
    execution: Arc<Execution>,
    /// Which stream is tried first. They take turns.
    turn: usize,
    after_exit: Option<AfterExit>,
}

/// The time between the exit and the end of the streams.
struct AfterExit {
    /// Position in each stream after what was in its pipe at the exit, or at `give_up` once that has passed.
    owed: [u64; 2],
    quiet_at: Instant,
    give_up: Instant,
    gave_up: bool,
}

impl Drain {
    pub(super) fn new(execution: Arc<Execution>) -> Self {
        Self { execution, turn: 0, after_exit: None }
    }

    /// Notes that the process has ended. Only the first call counts.
    pub(super) fn note_exit(&mut self) {
        if self.after_exit.is_none() {
            let (owed, now) = (self.owed(), Instant::now());
            let (quiet_at, give_up) = (now + QUIET, now + GIVE_UP);
            self.after_exit = Some(AfterExit { owed, quiet_at, give_up, gave_up: false });
        }
    }

    fn owed(&self) -> [u64; 2] {
        self.execution.streams().each_ref().map(|stream| stream.replay.end() + stream.waiting())
    }

    /// Whether nothing more is to be read, although a background process may still write: the time after the exit is up, and what
    /// was in the pipes then has been read.
    pub(super) fn has_given_up(&mut self) -> bool {
        let now_owed = match &self.after_exit {
            Some(after) if Instant::now() < after.give_up => return false,
            Some(after) if !after.gave_up => Some(self.owed()),
            _ => None,
        };
        if let (Some(after), Some(owed)) = (&mut self.after_exit, now_owed) {
            (after.owed, after.gave_up) = (owed, true);
        }
        self.is_paid()
    }

    /// Whether the exit was noted.
    pub(super) fn has_exit(&self) -> bool {
        self.after_exit.is_some()
    }

    /// Notes that output came: the streams are not quiet.
    pub(super) fn note_output(&mut self) {
        if let Some(after) = &mut self.after_exit {
            after.quiet_at = Instant::now() + QUIET;
        }
    }

    /// Whether any stream is open.
    pub(super) fn is_open(&self) -> bool {
        self.execution.streams().iter().any(|stream| stream.pipe.is_some())
    }

    /// Waits until one of the `wanted` streams has something to read or has ended, and returns its number.
    pub(super) async fn readable(&self, wanted: [bool; 2]) -> usize {
        let [stdout, stderr] = {
            let streams = self.execution.streams();
            [0, 1].map(|index| streams[index].pipe.clone().filter(|_| wanted[index]))
        };
        tokio::select! {
            () = readable(stdout.as_ref()), if stdout.is_some() => 0,
            () = readable(stderr.as_ref()), if stderr.is_some() => 1,
            else => pending().await,
        }
    }

    /// Reads once from the pipe of the stream `index`, unless `may` forbids it. The streams are locked for both, so that no
    /// reader can come between. `None` if nothing was read; empty at the end of the stream.
    pub(super) fn take(
        &mut self,
        index: usize,
        may: impl FnOnce(&[OutputStream; 2]) -> bool,
    ) -> Option<Bytes> {
        let mut streams = self.execution.streams();
        if !may(&streams) {
            return None;
        }
        // After the exit it counts what is there, whether or not the reactor knows of it.
        let read = if self.has_exit() { pipe::take_at_hand } else { pipe::take };
        let stream = streams.get_mut(index)?;
        let Some(bytes) = stream.pipe.as_ref().and_then(read) else {
            if let Some(after) = &mut self.after_exit {
                // What was in the pipe at the exit has been read, by whichever reader.
                after.owed[index] = after.owed[index].min(stream.replay.end());
            }
            return None;
        };
        stream.push(&bytes);
        drop(streams);
        self.turn = (index + 1) % 2;
        if !bytes.is_empty() {
            self.note_output();
        }
        Some(bytes)
    }

    /// Both streams' numbers, in the order of their turn.
    pub(super) fn order(&self) -> [usize; 2] {
        [self.turn, (self.turn + 1) % 2]
    }

    /// Whether what was in the pipes at the exit has been read. False before the exit.
    pub(super) fn is_paid(&self) -> bool {
        let Some(after) = &self.after_exit else { return false };
        let streams = self.execution.streams();
        streams
            .iter()
            .zip(after.owed)
            .all(|(stream, owed)| stream.pipe.is_none() || stream.replay.end() >= owed)
    }

    /// When to look again whether it is over. `None` before the exit.
    pub(super) fn deadline(&self) -> Option<Instant> {
        self.after_exit.as_ref().map(|after| after.quiet_at.min(after.give_up))
    }

    /// Whether there is nothing more to wait for.
    pub(super) fn is_over(&self) -> bool {
        !self.is_open()
            || self.is_paid() && self.deadline().is_some_and(|deadline| Instant::now() >= deadline)
    }

    /// Closes the streams. Returns false if one has been read beyond `next`, and then closes nothing. A background process that
    /// still writes gets SIGPIPE, as after any reader that leaves.
    pub(super) fn close(&self, next: [u64; 2]) -> bool {
        let mut streams = self.execution.streams();
        if streams.iter().zip(next).any(|(stream, next)| stream.replay.end() > next) {
            return false;
        }
        streams.iter_mut().for_each(|stream| stream.pipe = None);
        true
    }
}

async fn readable(pipe: Option<&Pipe>) {
    if let Some(pipe) = pipe {
        // An error shows again when the pipe is read.
        let _ = pipe.readable().await.map(drop);
    }
}

/// Reads what the pipes of an ended execution without a reader hold, so that it costs no more than its bytes. The main process
/// is left to `background`.
pub(super) fn take_rest(execution: &Execution) {
    if matches!(execution.purpose, Purpose::Main(_)) {
        return;
    }
    for stream in &mut *execution.streams() {
        // Two reads are as much as a pipe can hold. What a background process adds is left to a reader.
        for _ in 0..2 {
            let Some(bytes) = stream.pipe.as_ref().and_then(pipe::take_at_hand) else { break };
            // The output that was sent and may have been lost stays beside it as long as before.
            stream.push_within(&bytes, limits::REPLAY + limits::CHUNK);
        }
    }
}
