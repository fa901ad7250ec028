//! Reading an execution: its output in order, and its exit as the last event.
//!
//! Made and polled by the Execution service, one event whenever HTTP/2 has room for it: that is the back-pressure.

use std::sync::{Arc, atomic::Ordering};

use boxlite_proto::v1::ExitStatus;
use bytes::Bytes;
use tokio::{
    sync::watch,
    time::{Duration, Instant, sleep_until},
};

use super::{
    pipe::{self, Pipe},
    process::{Execution, Phase},
    reader::Reader,
    readers::Held,
    table::Executions,
};
use crate::{Error, Kind, Result};

/// How long a stream that a child in the background keeps open must be quiet after the exit.
pub(super) const QUIET: Duration = Duration::from_millis(20);

/// How long after the exit such a stream is given up in any case.
pub(super) const PATIENCE: Duration = Duration::from_millis(200);

/// How long a reader that takes nothing may hold back others that would go on.
const STALLED: Duration = Duration::from_secs(10);

/// What an attachment yields.
#[derive(Debug, Clone, PartialEq)]
pub enum Output {
    /// Bytes of stdout, or of the terminal, and the position of the first.
    Stdout(u64, Bytes),
    /// Bytes of stderr and the position of the first.
    Stderr(u64, Bytes),
    /// The end; nothing comes after it.
    Exit(ExitStatus),
}

/// One reader of an execution's output. There may be several: whoever has room reads from a pipe, and the others find it in
/// the replay.
#[derive(Debug)]
pub struct Attachment {
    reader: Reader,
    phase: watch::Receiver<Phase>,
    /// What the other readers do.
    others: watch::Receiver<()>,
    /// Next byte wanted of each stream.
    next: [u64; 2],
    /// Which stream is looked at first; they take turns.
    turn: usize,
    /// Since the exit was seen, while a stream is still open.
    drain: Option<Drain>,
    /// Since slower readers were found to hold this one back: who, and until when they may without moving on.
    held: Option<(Held, Instant)>,
}

/// The first byte wanted of stdout and of stderr; `None`: the oldest at hand.
pub type Offsets = [Option<u64>; 2];

/// The time between the exit and the end of the streams.
#[derive(Debug)]
struct Drain {
    /// Position in each stream after what was in its pipe at the exit.
    owed: [u64; 2],
    give_up: Instant,
    quiet_at: Instant,
}

impl Attachment {
    /// Attaches to `execution`.
    pub async fn new(table: Executions, execution: Arc<Execution>, from: Offsets) -> Result<Self> {
        Self::of(Reader::new(table, execution, None), from).await
    }

    /// The same for a reader that is there already.
    pub(super) async fn of(reader: Reader, from: Offsets) -> Result<Self> {
        let execution = &reader.execution;
        execution.started().await?;
        let mut next = [0; 2];
        let streams = execution.streams();
        for ((stream, from), next) in streams.iter().zip(from).zip(&mut next) {
            *next = from.unwrap_or_else(|| stream.replay.oldest());
            if *next > stream.replay.end() {
                return Err(out_of_range(execution, *next, stream.replay.end()));
            }
            if stream.is_incomplete() && from.is_some() {
                return Err(given_up(execution, *next));
            }
        }
        // From here on nobody reads more than this reader can still find.
        reader.moved(next);
        drop(streams);
        let (phase, others) = (execution.phase.subscribe(), execution.readers.watch());
        Ok(Self { reader, phase, others, next, turn: 0, drain: None, held: None })
    }

    /// The next event. [`Output::Exit`] is the last; don't ask for more.
    pub async fn next(&mut self) -> Result<Output> {
        loop {
            // What they do from here on is not missed.
            self.others.borrow_and_update();
            if let Some(output) = self.replayed()? {
                return Ok(output);
            }
            self.look_at_others();
            if let Some(exit) = self.exit() {
                if let Some(output) = self.drained() {
                    return Ok(output);
                }
                if self.is_drained() && self.finish() {
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

    /// What was read before, by this reader's predecessor or by another.
    fn replayed(&mut self) -> Result<Option<Output>> {
        for index in 0..2 {
            let read = {
                let streams = self.reader.execution.streams();
                streams.get(index).map_or(Ok(None), |stream| stream.replayed(self.next[index]))
            };
            match read {
                Ok(None) => {}
                Ok(Some(bytes)) => return Ok(Some(self.had(index, bytes))),
                Err(too_old) => {
                    return Err(too_late(&self.reader.execution, self.next[index], too_old.oldest));
                }
            }
        }
        Ok(None)
    }

    /// Looks whether slower readers hold this one back, and passes them over when they have stood still for too long.
    fn look_at_others(&mut self) {
        let ends = self.ends();
        let held = self.reader.held_by(ends);
        self.held = match self.held {
            _ if !held.any() => None,
            Some((before, until)) if before.moves == held.moves => {
                if Instant::now() >= until {
                    self.reader.pass_over(ends);
                    None
                } else {
                    Some((held, until))
                }
            }
            _ => Some((held, Instant::now() + STALLED)),
        };
    }

    /// Waits for output, the exit, what other readers do, or the end of a time.
    async fn wait(&mut self) -> Option<Output> {
        let [stdout, stderr] = self.pipes();
        let ended = self.drain.is_some();
        let deadline = match (&self.held, &self.drain) {
            (_, Some(drain)) if self.is_paid(drain) => Some(drain.quiet_at.min(drain.give_up)),
            (Some((_, until)), _) => Some(*until),
            (None, drain) => drain.as_ref().map(|drain| drain.quiet_at.min(drain.give_up)),
        };
        let index = tokio::select! {
            _ = self.others.changed() => return None,
            () = readable(stdout.as_ref()), if stdout.is_some() => 0,
            () = readable(stderr.as_ref()), if stderr.is_some() => 1,
            _ = self.phase.changed(), if !ended => return None,
            () = sleep_until(deadline.unwrap_or_else(Instant::now)), if deadline.is_some() => return None,
        };
        self.take(index, pipe::take)
    }

    /// After the exit: what is there now, without waiting.
    fn drained(&mut self) -> Option<Output> {
        if self.drain.is_none() {
            let owed = self.reader.execution.streams().each_ref().map(|stream| {
                let waiting = stream.pipe.as_ref().map_or(0, |pipe| pipe::waiting(pipe.get_ref()));
                stream.replay.end() + waiting as u64
            });
            let now = Instant::now();
            self.drain = Some(Drain { owed, give_up: now + PATIENCE, quiet_at: now + QUIET });
        }
        let turn = self.turn;
        (0..2).find_map(|step| {
            let index = (turn + step) % 2;
            // Whether or not the reactor has heard of it.
            self.take(index, |pipe| pipe::at_hand(pipe.get_ref()))
        })
    }

    /// Whether nothing more is to be waited for.
    fn is_drained(&self) -> bool {
        if self.reader.execution.streams().iter().all(|stream| stream.pipe.is_none()) {
            return true;
        }
        let now = Instant::now();
        self.drain
            .as_ref()
            .is_some_and(|drain| self.is_paid(drain) && (now >= drain.quiet_at || now >= drain.give_up))
    }

    /// Whether what was in the pipes at the exit has been read.
    fn is_paid(&self, drain: &Drain) -> bool {
        let streams = self.reader.execution.streams();
        streams
            .iter()
            .zip(drain.owed)
            .all(|(stream, owed)| stream.pipe.is_none() || stream.replay.end() >= owed)
    }

    /// Reads from the stream's pipe by `read`, for all readers, unless that has to wait for a slower one.
    fn take(&mut self, index: usize, read: impl Fn(&Pipe) -> Option<Bytes>) -> Option<Output> {
        let execution = Arc::clone(&self.reader.execution);
        let mut streams = execution.streams();
        let ends = streams.each_ref().map(|stream| stream.replay.end());
        if *self.reader.held_by(ends).streams.get(index)? {
            return None;
        }
        let stream = streams.get_mut(index)?;
        let at = stream.replay.end();
        if at != self.next[index] {
            // Another has read since. That comes first: reading on could push it out of the replay.
            return None;
        }
        let Some(bytes) = stream.pipe.as_ref().and_then(read) else {
            // Nothing is there: what was at the exit has been read, by whomever.
            if let Some(drain) = &mut self.drain {
                drain.owed[index] = drain.owed[index].min(at);
            }
            return None;
        };
        stream.took(&bytes);
        drop(streams);
        self.turn = (index + 1) % 2;
        if bytes.is_empty() {
            // The end of the stream, which the others are to look at too.
            self.reader.moved(self.next);
            return None;
        }
        Some(self.had(index, bytes))
    }

    /// Notes what this reader is given.
    fn had(&mut self, index: usize, bytes: Bytes) -> Output {
        let offset = self.next[index];
        self.next[index] += bytes.len() as u64;
        self.reader.moved(self.next);
        if let Some(drain) = &mut self.drain {
            drain.quiet_at = Instant::now() + QUIET;
        }
        event(index, offset, bytes)
    }

    /// Closes the streams. False: another has read something in the meantime.
    fn finish(&self) -> bool {
        let execution = &self.reader.execution;
        {
            let mut streams = execution.streams();
            if streams.iter().zip(self.next).any(|(stream, next)| stream.replay.end() > next) {
                return false;
            }
            for stream in &mut *streams {
                // A child in the background that still writes gets SIGPIPE, as after any reader that left.
                stream.pipe = None;
            }
        }
        self.reader.moved(self.next);
        execution.delivered.store(true, Ordering::Relaxed);
        self.reader.table.delivered(execution);
        true
    }

    fn ends(&self) -> [u64; 2] {
        self.reader.execution.streams().each_ref().map(|stream| stream.replay.end())
    }

    /// Those to wait for: not what a slower reader keeps this one from.
    fn pipes(&self) -> [Option<Pipe>; 2] {
        let held = self.held.map_or([false; 2], |(held, _)| held.streams);
        let streams = self.reader.execution.streams();
        let [stdout, stderr] = &*streams;
        [stdout.pipe.clone().filter(|_| !held[0]), stderr.pipe.clone().filter(|_| !held[1])]
    }
}

async fn readable(pipe: Option<&Pipe>) {
    if let Some(pipe) = pipe {
        // An error shows again when it is read.
        let _ = pipe.readable().await.map(drop);
    }
}

fn event(index: usize, offset: u64, bytes: Bytes) -> Output {
    if index == 0 { Output::Stdout(offset, bytes) } else { Output::Stderr(offset, bytes) }
}

fn out_of_range(execution: &Execution, wanted: u64, bound: u64) -> Error {
    let id = execution.id();
    Error::new(
        Kind::OutOfRange,
        format!("attach to {id} at byte {wanted}: the nearest byte at hand is {bound}"),
    )
}

fn too_late(execution: &Execution, wanted: u64, oldest: u64) -> Error {
    let id = execution.id();
    Error::new(
        Kind::OutputGone,
        format!("attach to {id} at byte {wanted}: the oldest byte at hand is {oldest}"),
    )
}

fn given_up(execution: &Execution, wanted: u64) -> Error {
    let id = execution.id();
    Error::new(
        Kind::OutputGone,
        format!(
            "attach to {id} at byte {wanted}: it has ended, and its output was given up before anybody read it"
        ),
    )
}
