//! One execution: its phase, its streams, and what can be done to it.
//!
//! Made by `table`, started by `start`, read through `attachment`.

use std::{
    fmt,
    sync::{
        Arc, Mutex, MutexGuard, OnceLock, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
};

use boxlite_proto::v1::{ExitStatus, StartError, TtySize};
use boxlite_wire::limits;
use tokio::sync::{Mutex as AsyncMutex, Notify, watch};

use super::{
    about::About, input::Input, keeper, output::Stream, pipe::Pipe, purpose::Purpose, readers::Readers,
};
use crate::{Context as _, Error, Kind, Result, zygote};

/// How far an execution has come.
#[derive(Debug, Clone, PartialEq)]
pub enum Phase {
    /// Its `Exec` is under way.
    Starting,
    /// It is the program.
    Running,
    /// It never was.
    NotStarted(StartError),
    /// It has ended.
    Ended(ExitStatus),
}

/// One process of the container with its streams.
pub struct Execution {
    id: String,
    pub(super) serial: u64,
    pub(super) purpose: Purpose,
    pub(super) phase: watch::Sender<Phase>,
    /// stdout and stderr.
    pub(super) streams: Mutex<[Stream; 2]>,
    /// Locked for one message at a time.
    pub(super) input: AsyncMutex<Input>,
    pub(super) terminal: OnceLock<Pipe>,
    pub(super) readers: Readers,
    /// How the process ended, known perhaps before `start` is through.
    pub(super) exited: OnceLock<ExitStatus>,
    pub(super) timed_out: AtomicBool,
    /// What `List` tells of it.
    pub(super) about: About,
    /// Told when a reader comes or goes, for the keeper of a detached one.
    pub(super) reader_changed: Notify,
    /// Whether an attachment has reached the exit.
    pub(super) delivered: AtomicBool,
    pub(super) zygote: zygote::Zygote,
}

impl fmt::Debug for Execution {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Execution")
            .field("id", &self.id)
            .field("phase", &*self.phase.borrow())
            .finish_non_exhaustive()
    }
}

impl Execution {
    pub(super) fn new(
        id: String,
        serial: u64,
        purpose: Purpose,
        about: About,
        zygote: zygote::Zygote,
    ) -> Arc<Self> {
        let streams = match &purpose {
            Purpose::Main(tap) => [0, 1].map(|number| Stream::tapped(tap, number)),
            Purpose::Asked | Purpose::Check => Default::default(),
        };
        Arc::new(Self {
            id,
            serial,
            purpose,
            phase: watch::Sender::new(Phase::Starting),
            streams: Mutex::new(streams),
            input: AsyncMutex::default(),
            terminal: OnceLock::new(),
            readers: Readers::new(),
            exited: OnceLock::new(),
            timed_out: AtomicBool::new(false),
            about,
            reader_changed: Notify::new(),
            delivered: AtomicBool::new(false),
            zygote,
        })
    }

    /// The id that the host chose.
    pub fn id(&self) -> &str {
        &self.id
    }

    /// After its end: waits until what it wrote was read, or given up. Closes its streams.
    pub async fn finish(self: &Arc<Self>) {
        keeper::finish(self).await;
    }

    /// Its number, by which the zygote knows it.
    pub fn serial(&self) -> u64 {
        self.serial
    }

    /// Its pid in the container; 0 before its start.
    pub fn pid(&self) -> u32 {
        self.about.pid.get().copied().unwrap_or(0)
    }

    /// Waits for the end.
    pub async fn wait(&self) -> Result<ExitStatus> {
        let mut phase = self.phase.subscribe();
        loop {
            match &*phase.borrow_and_update() {
                Phase::Ended(exit) => return Ok(*exit),
                Phase::NotStarted(error) => return Err(self.not_started(error)),
                Phase::Starting | Phase::Running => {}
            }
            // The sender lives in `self`, so this can't fail.
            let _ = phase.changed().await;
        }
    }

    /// Waits until it is the program, or has ended since.
    pub async fn started(&self) -> Result<()> {
        let mut phase = self.phase.subscribe();
        loop {
            match &*phase.borrow_and_update() {
                Phase::Running | Phase::Ended(_) => return Ok(()),
                Phase::NotStarted(error) => return Err(self.not_started(error)),
                Phase::Starting => {}
            }
            let _ = phase.changed().await;
        }
    }

    /// Signals its process group. False: it had ended before. With `all` no process of it is left at its end, see
    /// [`zygote::message::Signal`].
    pub async fn signal(&self, signal: i32, all: bool) -> Result<bool> {
        self.started().await?;
        if self.has_ended() {
            return Ok(false);
        }
        self.zygote.signal(self.serial, signal, all).await
    }

    /// Gives its terminal another size.
    pub async fn resize(&self, size: TtySize) -> Result<()> {
        self.started().await?;
        let terminal = self.terminal.get();
        let terminal = terminal
            .ok_or_else(|| Error::new(Kind::State, format!("resize {}: it has no terminal", self.id)))?;
        zygote::resize(terminal.get_ref(), size).context(|| format!("resize {}", self.id))
    }

    /// Whether its process is gone.
    pub fn has_ended(&self) -> bool {
        matches!(*self.phase.borrow(), Phase::Ended(_))
    }

    /// Moves on to the end if it has both started and ended; true if that happened now.
    ///
    /// The two are reported on different ways, and the streams are in place only after the start.
    pub(super) fn settle(&self) -> bool {
        let Some(exit) = self.exited.get() else { return false };
        self.phase.send_if_modified(|phase| {
            let running = *phase == Phase::Running;
            if running {
                *phase = Phase::Ended(*exit);
            }
            running
        })
    }

    /// Whether somebody reads it, or is about to.
    pub(super) fn is_attached(&self) -> bool {
        self.readers.count() > 0
    }

    pub(super) fn streams(&self) -> MutexGuard<'_, [Stream; 2]> {
        self.streams.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// After its end, with nobody to read it: takes what its pipes hold into memory, and lets go of those that have ended.
    pub(super) fn take_in(&self) {
        if matches!(self.purpose, Purpose::Main(_)) {
            // `finish` does that.
            return;
        }
        self.streams().iter_mut().for_each(Stream::take_in);
    }

    /// Gives up what nobody fetched or may fetch again.
    pub(super) fn forget_output(&self) {
        self.streams().iter_mut().for_each(Stream::give_up);
    }

    /// Bytes of output that it holds in memory, those in its pipes included.
    pub(super) fn kept(&self) -> usize {
        let held = |stream: &Stream| stream.replay.kept() + stream.pipe.as_ref().map_or(0, |_| limits::CHUNK);
        self.streams().iter().map(held).sum()
    }

    pub(super) fn is_delivered(&self) -> bool {
        self.delivered.load(Ordering::Relaxed)
    }

    fn not_started(&self, error: &StartError) -> Error {
        Error::new(Kind::State, format!("execution {}: did not start: {}", self.id, error.message))
    }
}
