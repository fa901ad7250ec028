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
    seat::Seat,
    table::Executions,
};
use crate::{Error, Kind, Result};

/// How long a stream that a child in the background keeps open must be quiet after the exit.
pub(super) const QUIET: Duration = Duration::from_millis(20);

/// How long after the exit such a stream is given up in any case.
pub(super) const PATIENCE: Duration = Duration::from_millis(200);

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

/// One reader of an execution's output.
#[derive(Debug)]
pub struct Attachment {
    seat: Seat,
    generation: u64,
    phase: watch::Receiver<Phase>,
    /// Next byte wanted of each stream.
    next: [u64; 2],
    /// Which stream is looked at first; they take turns.
    turn: usize,
    /// Since the exit was seen, while a stream is still open.
    drain: Option<Drain>,
}

/// The first byte wanted of stdout and of stderr; `None`: the oldest at hand.
pub type Offsets = [Option<u64>; 2];

/// The time between the exit and the end of the streams.
#[derive(Debug)]
struct Drain {
    /// Bytes of each stream that were in its pipe at the exit.
    owed: [usize; 2],
    give_up: Instant,
    quiet_at: Instant,
}

impl Attachment {
    /// Attaches to `execution` and ends every earlier attachment.
    pub async fn new(table: Executions, execution: Arc<Execution>, from: Offsets) -> Result<Self> {
        Self::seated(Seat::take(table, execution), from).await
    }

    /// The same by one who has a seat already.
    pub(super) async fn seated(seat: Seat, from: Offsets) -> Result<Self> {
        let execution = &seat.execution;
        execution.started().await?;
        let mut next = [0; 2];
        for ((stream, from), next) in execution.streams().iter().zip(from).zip(&mut next) {
            *next = from.unwrap_or_else(|| stream.replay.oldest());
            if *next > stream.replay.end() {
                return Err(out_of_range(execution, *next, stream.replay.end()));
            }
            if stream.is_incomplete() && from.is_some() {
                return Err(given_up(execution, *next));
            }
        }
        let generation = seat.begin();
        let phase = execution.phase.subscribe();
        Ok(Self { seat, generation, phase, next, turn: 0, drain: None })
    }

    /// The next event. [`Output::Exit`] is the last; don't ask for more.
    pub async fn next(&mut self) -> Result<Output> {
        loop {
            if *self.seat.latest.borrow_and_update() != self.generation {
                let id = self.seat.execution.id();
                return Err(Error::new(
                    Kind::Superseded,
                    format!("attach to {id}: another Attach took over"),
                ));
            }
            if let Some(output) = self.replayed()? {
                return Ok(output);
            }
            if let Some(exit) = self.exit() {
                if let Some(output) = self.drained() {
                    return Ok(output);
                }
                if self.is_drained() {
                    return Ok(self.finish(exit));
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

    /// What an earlier attachment was sent already.
    fn replayed(&mut self) -> Result<Option<Output>> {
        let streams = self.seat.execution.streams();
        for (index, stream) in streams.iter().enumerate() {
            let Some(next) = self.next.get_mut(index) else { continue };
            match stream.replayed(*next) {
                Ok(None) => {}
                Ok(Some(bytes)) => {
                    let offset = *next;
                    *next += bytes.len() as u64;
                    return Ok(Some(event(index, offset, bytes)));
                }
                Err(too_old) => return Err(out_of_range(&self.seat.execution, *next, too_old.oldest)),
            }
        }
        Ok(None)
    }

    /// Waits for output, the exit, a successor, or the end of the drain.
    async fn wait(&mut self) -> Option<Output> {
        let [stdout, stderr] = self.pipes();
        let ended = self.drain.is_some();
        let deadline =
            self.drain.as_ref().map_or_else(Instant::now, |drain| drain.quiet_at.min(drain.give_up));
        let index = tokio::select! {
            _ = self.seat.latest.changed() => return None,
            read = read(stdout.as_ref()), if stdout.is_some() => (0, read),
            read = read(stderr.as_ref()), if stderr.is_some() => (1, read),
            _ = self.phase.changed(), if !ended => return None,
            () = sleep_until(deadline), if ended => return None,
        };
        self.took(index.0, &index.1)
    }

    /// After the exit: what is there now, without waiting.
    fn drained(&mut self) -> Option<Output> {
        if self.drain.is_none() {
            let owed = self.pipes().map(|pipe| pipe.map_or(0, |pipe| pipe::waiting(pipe.get_ref())));
            let now = Instant::now();
            self.drain = Some(Drain { owed, give_up: now + PATIENCE, quiet_at: now + QUIET });
        }
        for step in 0..2 {
            let index = (self.turn + step) % 2;
            let [stdout, stderr] = self.pipes();
            let Some(pipe) = (if index == 0 { stdout } else { stderr }) else { continue };
            match pipe::at_hand(pipe.get_ref()) {
                None => {
                    if let Some(drain) = &mut self.drain {
                        drain.owed[index] = 0;
                    }
                }
                Some(bytes) => {
                    if let Some(output) = self.took(index, &bytes) {
                        return Some(output);
                    }
                }
            }
        }
        None
    }

    /// Whether nothing more is to be waited for.
    fn is_drained(&self) -> bool {
        if self.pipes().iter().all(Option::is_none) {
            return true;
        }
        let now = Instant::now();
        self.drain.as_ref().is_some_and(|drain| {
            drain.owed.iter().all(|owed| *owed == 0) && (now >= drain.quiet_at || now >= drain.give_up)
        })
    }

    /// Books what was read of a stream: nothing is its end.
    fn took(&mut self, index: usize, bytes: &Bytes) -> Option<Output> {
        self.seat.execution.streams().get_mut(index)?.took(bytes);
        self.turn = (index + 1) % 2;
        if let Some(drain) = &mut self.drain {
            let owed = drain.owed.get_mut(index)?;
            *owed = if bytes.is_empty() { 0 } else { owed.saturating_sub(bytes.len()) };
            drain.quiet_at = Instant::now() + QUIET;
        }
        if bytes.is_empty() {
            return None;
        }
        let next = self.next.get_mut(index)?;
        let offset = *next;
        *next += bytes.len() as u64;
        Some(event(index, offset, bytes.clone()))
    }

    fn finish(&mut self, exit: ExitStatus) -> Output {
        for stream in &mut *self.seat.execution.streams() {
            // A child in the background that still writes gets SIGPIPE, as after any reader that left.
            stream.pipe = None;
        }
        self.seat.execution.delivered.store(true, Ordering::Relaxed);
        self.seat.table.delivered(&self.seat.execution);
        Output::Exit(exit)
    }

    fn pipes(&self) -> [Option<Pipe>; 2] {
        let streams = self.seat.execution.streams();
        let [stdout, stderr] = &*streams;
        [stdout.pipe.clone(), stderr.pipe.clone()]
    }
}

async fn read(pipe: Option<&Pipe>) -> Bytes {
    match pipe {
        // A pipe that can't be read any more has ended.
        Some(pipe) => pipe::read(pipe).await.unwrap_or_default(),
        None => Bytes::new(),
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

fn given_up(execution: &Execution, wanted: u64) -> Error {
    let id = execution.id();
    Error::new(
        Kind::OutOfRange,
        format!(
            "attach to {id} at byte {wanted}: it has ended, and its output was given up before anybody read it"
        ),
    )
}
