//! The gateway's loop: one task that reads frames from the link, serves connections, and writes frames to the link, in turns. Started by
//! `mod.rs` on the gateway's thread.

use std::{
    future::Future,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
    time::Instant,
};

use tokio::{
    sync::mpsc::UnboundedReceiver,
    time::{Sleep, sleep_until},
};

use super::{
    datagrams::Datagrams,
    frame::{self, Frame},
    link::{Link, LinkEnd},
    outgoing::Outgoing,
    parts::Parts,
    ready::Ready,
    sender::FrameReceiver,
    tcp::Tcp,
};

/// What the gateway is told from outside.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Command {
    /// The policy has been replaced.
    Recheck,
    /// Ends the loop.
    Stop,
}

/// How often the link is read before connections are served.
const READS: usize = 2;
/// Most turns in a row before others on this thread have theirs. The second finds nothing to do most often, and costs no system call.
const TURNS: usize = 2;

/// What a turn of the loop was.
enum Turn {
    /// Something happened, so the next is due at once.
    Busy,
    /// Nothing happened. Whatever happens next wakes the loop.
    Idle,
    /// The loop is over.
    Last,
}

/// The loop's state.
pub(super) struct Run {
    parts: Parts,
    link: Link,
    out: Outgoing,
    tcp: Tcp,
    ready: Arc<Ready>,
    datagrams: Box<dyn Datagrams>,
    frames: FrameReceiver,
    commands: UnboundedReceiver<Command>,
    sleep: Pin<Box<Sleep>>,
    sleeping_until: Option<Instant>,
}

impl Run {
    /// A loop that has not begun. Called on the gateway's thread.
    pub(super) fn new(
        parts: Parts,
        link: Link,
        datagrams: Box<dyn Datagrams>,
        frames: FrameReceiver,
        commands: UnboundedReceiver<Command>,
    ) -> Self {
        let (now, ready) = (Instant::now(), Arc::new(Ready::default()));
        let mut out = Outgoing::new(Arc::clone(&parts.reports.counters));
        let tcp = Tcp::new(parts.clone(), Arc::clone(&ready), &mut out);
        let sleep = Box::pin(sleep_until(now.into()));
        Self { parts, link, out, tcp, ready, datagrams, frames, commands, sleep, sleeping_until: None }
    }

    /// One turn.
    ///
    /// # Errors
    /// When the link has ended.
    fn turn(&mut self, context: &mut Context<'_>) -> Result<Turn, LinkEnd> {
        let now = Instant::now();
        self.ready.set_task(context.waker());
        self.tcp.set_now(now);
        while let Poll::Ready(command) = self.commands.poll_recv(context) {
            match command {
                Some(Command::Recheck) => {
                    self.tcp.recheck(&mut self.out, now);
                    self.datagrams.recheck();
                }
                Some(Command::Stop) | None => return Ok(Turn::Last),
            }
        }
        let mut busy = self.read(context, now)?;
        busy |= self.tcp.turn(&mut self.out, now);
        self.send_frames(context);
        // What has been sent makes room for those who wait for it.
        if let Poll::Ready(moved) = self.link.poll_flush(context, &mut self.out, now) {
            busy |= moved?;
        }
        Ok(if busy || self.is_due(context) { Turn::Busy } else { Turn::Idle })
    }

    /// Reads frames and hands each to its part. Returns whether there may be more.
    fn read(&mut self, context: &mut Context<'_>, now: Instant) -> Result<bool, LinkEnd> {
        for _ in 0..READS {
            loop {
                if !self.out.has_reserve() {
                    // Answers would be lost. The link becomes writable, and then there is a next turn.
                    return Ok(false);
                }
                let Some(bytes) = self.link.next_frame()? else { break };
                self.parts.reports.counters.count_sent(bytes.len());
                match frame::read(bytes, &self.parts.link) {
                    Frame::Tcp(segment) => self.tcp.handle(&segment, &mut self.out, now),
                    Frame::Other => self.datagrams.handle(bytes),
                    Frame::Dropped => self.parts.reports.counters.count_dropped(),
                }
            }
            match self.link.poll_fill(context, now) {
                Poll::Ready(more) => _ = more?,
                Poll::Pending => return Ok(false),
            }
        }
        Ok(true)
    }

    /// Puts the frames of other tasks onto the link.
    fn send_frames(&mut self, context: &mut Context<'_>) {
        while self.out.has_room()
            && let Poll::Ready(Some(frame)) = self.frames.poll_recv(context)
        {
            if let Some(room) = self.out.push(frame.len()) {
                room.copy_from_slice(&frame);
            }
        }
    }

    /// Sets when the next turn is due although nothing happens. Returns whether it is due now.
    fn is_due(&mut self, context: &mut Context<'_>) -> bool {
        let link = self.link.wake_at(!self.out.is_empty());
        let Some(at) = self.tcp.wake_at().into_iter().chain(link).min() else { return false };
        if self.sleeping_until != Some(at) {
            self.sleeping_until = Some(at);
            self.sleep.as_mut().reset(at.into());
        }
        let due = self.sleep.as_mut().poll(context).is_ready();
        if due {
            self.sleeping_until = None;
        }
        due
    }
}

impl Future for Run {
    type Output = Result<(), LinkEnd>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        for _ in 0..TURNS {
            match self.turn(context)? {
                Turn::Busy => {}
                Turn::Idle => return Poll::Pending,
                Turn::Last => return Poll::Ready(Ok(())),
            }
        }
        context.waker().wake_by_ref();
        Poll::Pending
    }
}
