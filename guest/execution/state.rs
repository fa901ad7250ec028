//! One execution: its phase, its streams, and the calls that act on it directly.
//!
//! Created by `table`, started by `start`, read by `attachment` and `background`, written by `stdin_writer`. It knows none of
//! them: what becomes of its output is decided by a [`Retention`].

use std::sync::{
    Arc, OnceLock, Weak,
    atomic::{AtomicBool, Ordering},
};

use boxlite_proto::v1::{ExitStatus, StartError, TtySize};
use boxlite_wire::limits;
use parking_lot::{Mutex, MutexGuard};
use tokio::sync::{Mutex as AsyncMutex, Notify, watch};

use super::{
    output_stream::OutputStream, pipe::Pipe, purpose::Purpose, readers::Readers, stdin::Stdin,
    summary::Summary,
};
use crate::{Context as _, Error, Kind, Result, zygote};

/// How far an execution has come.
#[derive(Debug, Clone, PartialEq)]
pub enum Phase {
    /// Its `Exec` is in progress.
    Starting,
    /// Its process runs the program.
    Running,
    /// Its program could not be started.
    NotStarted(StartError),
    /// Its process has ended.
    Ended(ExitStatus),
}

/// Decides for how long the output of ended executions is kept. Implemented by the table, which bounds the sum.
pub(super) trait Retention: Send + Sync {
    /// `execution` has ended or could not be started.
    fn ended(&self, execution: &Arc<Execution>);

    /// A reader of `execution` is about to leave. It is still counted.
    fn reader_leaves(&self, execution: &Arc<Execution>);

    /// A reader has received the exit status of `execution`, and all output before it.
    fn delivered(&self, execution: &Arc<Execution>);
}

/// One process of the container with its streams.
pub struct Execution {
    id: String,
    pub(super) serial: u64,
    pub(super) purpose: Purpose,
    pub(super) phase: watch::Sender<Phase>,
    /// stdout and stderr.
    streams: Mutex<[OutputStream; 2]>,
    /// Locked for one message at a time.
    pub(super) stdin: AsyncMutex<Stdin>,
    pub(super) terminal: OnceLock<Pipe>,
    pub(super) readers: Readers,
    /// How the process ended. Set before the phase changes if the process ends while it is being started.
    exited: OnceLock<ExitStatus>,
    pub(super) timed_out: AtomicBool,
    pub(super) summary: Summary,
    /// Notified when a reader comes or goes, for the background drain.
    pub(super) reader_changed: Notify,
    /// Whether an attachment has reached the exit.
    delivered: AtomicBool,
    /// Empty for an execution that nothing is kept of.
    retention: Weak<dyn Retention>,
    pub(super) zygote: zygote::Zygote,
}

impl Execution {
    pub(super) fn new(
        id: String,
        serial: u64,
        purpose: Purpose,
        summary: Summary,
        retention: Weak<dyn Retention>,
        zygote: zygote::Zygote,
    ) -> Arc<Self> {
        let streams = match &purpose {
            Purpose::Main(tap) => [0, 1].map(|number| OutputStream::tapped(tap, number)),
            Purpose::Requested | Purpose::Check => Default::default(),
        };
        Arc::new(Self {
            id,
            serial,
            purpose,
            phase: watch::Sender::new(Phase::Starting),
            streams: Mutex::new(streams),
            stdin: AsyncMutex::default(),
            terminal: OnceLock::new(),
            readers: Readers::default(),
            exited: OnceLock::new(),
            timed_out: AtomicBool::new(false),
            summary,
            reader_changed: Notify::new(),
            delivered: AtomicBool::new(false),
            retention,
            zygote,
        })
    }

    /// The id that the host chose.
    pub fn id(&self) -> &str {
        &self.id
    }

    /// The number by which the zygote knows it.
    pub fn serial(&self) -> u64 {
        self.serial
    }

    /// The pid of its process in the container, or 0 before its start.
    pub fn pid(&self) -> u32 {
        self.summary.pid.get().copied().unwrap_or(0)
    }

    /// Waits until its process has ended.
    ///
    /// # Errors
    ///
    /// Its program could not be started.
    pub async fn wait(&self) -> Result<ExitStatus> {
        self.reached(|phase| match phase {
            Phase::Ended(exit) => Some(*exit),
            _ => None,
        })
        .await
    }

    /// Waits until its process runs the program, or has ended since.
    ///
    /// # Errors
    ///
    /// Its program could not be started.
    pub async fn started(&self) -> Result<()> {
        self.reached(|phase| matches!(phase, Phase::Running | Phase::Ended(_)).then_some(())).await
    }

    async fn reached<T>(&self, in_phase: impl Fn(&Phase) -> Option<T>) -> Result<T> {
        let mut phases = self.phase.subscribe();
        loop {
            {
                let phase = phases.borrow_and_update();
                if let Phase::NotStarted(error) = &*phase {
                    let what = format!("execution {}: did not start: {}", self.id, error.message);
                    return Err(Error::new(Kind::State, what));
                }
                if let Some(reached) = in_phase(&phase) {
                    return Ok(reached);
                }
            }
            // The sender lives in `self`, so this can't fail.
            let _ = phases.changed().await;
        }
    }

    /// Signals its process group. Returns false if its process had ended before. With `all` none of its processes is left at its
    /// end, see [`zygote::message::Signal`].
    ///
    /// # Errors
    ///
    /// Its program could not be started, or the kernel refuses the signal.
    pub async fn signal(&self, signal: i32, all: bool) -> Result<bool> {
        self.started().await?;
        if self.has_ended() {
            return Ok(false);
        }
        self.zygote.signal(self.serial, signal, all).await
    }

    /// Changes the size of its terminal.
    ///
    /// # Errors
    ///
    /// It could not be started or has no terminal, or the kernel refuses the size.
    pub async fn resize(&self, size: TtySize) -> Result<()> {
        self.started().await?;
        let terminal = self.terminal.get();
        let terminal = terminal
            .ok_or_else(|| Error::new(Kind::State, format!("resize {}: it has no terminal", self.id)))?;
        zygote::resize(terminal.get_ref(), size).context(|| format!("resize {}", self.id))
    }

    /// Whether its process has ended.
    pub fn has_ended(&self) -> bool {
        matches!(*self.phase.borrow(), Phase::Ended(_))
    }

    /// Notes that it could not be started.
    pub(super) fn note_failed_start(self: &Arc<Self>, error: StartError) {
        self.phase.send_replace(Phase::NotStarted(error));
        self.notify(|retention| retention.ended(self));
    }

    /// Notes that its process runs the program.
    pub(super) fn note_start(self: &Arc<Self>) {
        self.phase.send_replace(Phase::Running);
        self.settle();
    }

    /// Notes how its process ended. A child that failed to become the program exits too, which changes nothing.
    pub(super) fn note_exit(self: &Arc<Self>, exit: ExitStatus) {
        let _ = self.exited.set(exit);
        self.settle();
    }

    /// Moves on to the end if it has both started and ended. Start and end are reported in two ways, either of which may come
    /// first, and the streams are in place only after the start.
    fn settle(self: &Arc<Self>) {
        let Some(exit) = self.exited.get() else { return };
        let ended = self.phase.send_if_modified(|phase| {
            let running = *phase == Phase::Running;
            if running {
                *phase = Phase::Ended(*exit);
            }
            running
        });
        if ended {
            self.notify(|retention| retention.ended(self));
        }
    }

    fn notify(&self, note: impl FnOnce(&dyn Retention)) {
        if let Some(retention) = self.retention.upgrade() {
            note(&*retention);
        }
    }

    /// Notes that a reader is about to leave.
    pub(super) fn note_leaving_reader(self: &Arc<Self>) {
        self.notify(|retention| retention.reader_leaves(self));
    }

    /// Notes that a reader has received all output and the exit status.
    pub(super) fn note_delivery(self: &Arc<Self>) {
        self.delivered.store(true, Ordering::Relaxed);
        self.notify(|retention| retention.delivered(self));
    }

    /// Whether anybody reads it, or is about to.
    pub(super) fn is_attached(&self) -> bool {
        self.readers.count() > 0
    }

    pub(super) fn is_delivered(&self) -> bool {
        self.delivered.load(Ordering::Relaxed)
    }

    pub(super) fn streams(&self) -> MutexGuard<'_, [OutputStream; 2]> {
        self.streams.lock()
    }

    /// How many bytes were read of each stream.
    pub(super) fn ends(&self) -> [u64; 2] {
        self.streams().each_ref().map(|stream| stream.replay.end())
    }

    /// Discards the output that nobody has fetched or that may be fetched again.
    pub(super) fn discard_output(&self) {
        self.streams().iter_mut().for_each(OutputStream::discard);
    }

    /// The memory that its output takes, in bytes. Each open pipe counts as a full one.
    pub(super) fn output_size(&self) -> usize {
        let size =
            |stream: &OutputStream| stream.replay.size() + stream.pipe.as_ref().map_or(0, |_| limits::CHUNK);
        self.streams().iter().map(size).sum()
    }
}
