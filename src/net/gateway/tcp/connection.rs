//! One connection of the box: bytes go both ways between smoltcp's socket and the other end, each direction ends by itself, and a reset on
//! one side is a reset on the other. Called by `tcp` whenever something happened to it.

use std::{
    borrow::Cow,
    sync::Arc,
    task::{Context, Poll},
    time::{Duration, Instant},
};

use smoltcp::socket::tcp::{ListenError, State};
use tokio::io::duplex;

use super::{buffers::Buffers, upstream::Upstream};
use crate::{
    decision::{Allowed, Destination, Refused},
    gateway::{
        frame::Flow,
        inspector::{FIRST_BYTES_MAX, Inspector, Intercepted, Verdict},
        outgoing::Outgoing,
        parts::Patience,
        stack::{Stack, Wake},
    },
};

/// How often bytes are moved both ways before others have their turn.
const ROUNDS: usize = 4;
/// A read from the other end is worth a call if there is room for so much, or for a quarter of the buffer.
const ROOM: usize = 16 * 1024;
/// How much lies between the box and an interceptor.
const PIPE: usize = 64 * 1024;
/// For what smoltcp wants to do and can't.
const RETRY: Duration = Duration::from_millis(10);

/// A connection whose host side has been made.
#[derive(Debug)]
pub(super) struct Connection {
    buffers: Buffers,
    upstream: Option<Upstream>,
    inspection: Option<Inspection>,
    /// The name that was read from its first bytes.
    name: Option<String>,
    opened: Instant,
    active: Instant,
    outward: Outward,
    health: Health,
    /// The other end has ended its direction, and smoltcp knows that.
    inward_done: bool,
    /// The other end has sent something.
    answered: bool,
    /// Nothing more is to be sent to the box.
    quiet: bool,
    /// How much waited for the box at the last look.
    queued: usize,
}

/// The direction from the box to the other end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Outward {
    /// It is open.
    Flows,
    /// The box has ended it; what came before is still passed on.
    Ended,
    /// The other end knows.
    Done,
}

/// Whether a connection ends as it should.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Health {
    /// So far.
    Whole,
    /// The other end is gone; what it sent is still delivered.
    Broken,
    /// The box got a reset or a final answer from us.
    Told,
}

#[derive(Debug)]
struct Inspection {
    inspector: Arc<dyn Inspector>,
    to: Destination,
    allowed: Allowed,
    /// How many bytes the inspector has seen.
    seen: usize,
    /// When it saw the first.
    since: Option<Instant>,
}

/// What a connection is served with.
#[derive(Debug)]
pub(super) struct Service<'s> {
    /// smoltcp.
    pub(super) stack: &'s mut Stack,
    /// The frames to the box.
    pub(super) out: &'s mut Outgoing,
    /// The time of this turn.
    pub(super) now: Instant,
    /// How long to wait.
    pub(super) patience: Patience,
}

/// What became of a connection.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Served {
    /// It waits.
    Open {
        /// The link is full; it is served again when there is room.
        blocked: bool,
        /// When it is to be served although nothing happens.
        wake: Option<Instant>,
    },
    /// It was refused by its first bytes, and is served again at once.
    Refused(Refused),
    /// It is over.
    Over,
}

enum Step {
    Moved,
    Waits,
    Ended,
    Failed,
}

impl Connection {
    /// A connection that listens for the box's SYN.
    ///
    /// # Errors
    /// If the socket is in use, which it never is.
    pub(super) fn new(
        mut buffers: Buffers,
        flow: Flow,
        upstream: Upstream,
        now: Instant,
    ) -> Result<Self, ListenError> {
        buffers.socket().listen((smoltcp::wire::IpAddress::from(flow.to.ip()), flow.to.port()))?;
        Ok(Self {
            buffers,
            upstream: Some(upstream),
            inspection: None,
            name: None,
            opened: now,
            active: now,
            outward: Outward::Flows,
            health: Health::Whole,
            inward_done: false,
            answered: false,
            quiet: false,
            queued: 0,
        })
    }

    /// Holds the box's bytes back until the inspector has seen enough.
    pub(super) fn inspect_by(&mut self, inspector: Arc<dyn Inspector>, to: Destination, allowed: Allowed) {
        self.inspection = Some(Inspection { inspector, to, allowed, seen: 0, since: None });
    }

    /// The name that was read from its first bytes.
    pub(super) fn name(&self) -> Option<&str> {
        self.name.as_deref()
    }

    /// Gives it a packet from the box.
    pub(super) fn feed(&mut self, packet: &[u8], stack: &mut Stack, out: &mut Outgoing) {
        stack.feed(packet, &mut self.buffers.sockets, out);
    }

    /// Resets it on both sides at the next turn.
    pub(super) fn abort(&mut self) {
        self.health = Health::Told;
        self.buffers.socket().abort();
    }

    /// Takes the socket, so that it may be used again. The other end is reset unless both directions had ended.
    pub(super) fn close(mut self) -> Buffers {
        let clean = self.outward == Outward::Done && self.inward_done && self.health == Health::Whole;
        if let Some(upstream) = self.upstream.take()
            && !clean
        {
            upstream.reset();
        }
        self.buffers
    }

    /// Moves bytes both ways.
    pub(super) fn serve(&mut self, service: &mut Service<'_>, context: &mut Context<'_>) -> Served {
        let mut refused = None;
        let mut more = true;
        let mut blocked = false;
        for _ in 0..ROUNDS {
            let ended =
                matches!(self.state(), State::CloseWait | State::LastAck | State::Closing | State::TimeWait);
            if ended && self.outward == Outward::Flows {
                self.outward = Outward::Ended;
            }
            refused = refused.or(self.inspect(service));
            more = self.carry_out(context) | self.carry_in(context);
            let queued = self.buffers.socket().send_queue();
            let taken = queued != self.queued;
            self.queued = queued;
            if more || taken {
                self.active = service.now;
            }
            self.check_patience(service);
            blocked = !self.flush(service);
            if blocked || !more {
                break;
            }
        }
        let wake = self.wake(service);
        if let Some(refused) = refused {
            context.waker().wake_by_ref();
            return Served::Refused(refused);
        }
        if self.is_over(wake) {
            return Served::Over;
        }
        if more && !blocked {
            context.waker().wake_by_ref();
        }
        let wake = match wake {
            Wake::Now if blocked => None,
            Wake::Now => Some(service.now + RETRY),
            Wake::At(at) => Some(at),
            Wake::Never => None,
        };
        let inspected_by = self
            .inspection
            .as_ref()
            .and_then(|inspection| Some(inspection.since? + service.patience.first_bytes));
        Served::Open {
            blocked,
            wake: wake.into_iter().chain(self.impatient_at(service.patience)).chain(inspected_by).min(),
        }
    }

    fn state(&mut self) -> State {
        self.buffers.socket().state()
    }

    /// Asks the inspector. Returns the refusal if there is one.
    fn inspect(&mut self, service: &Service<'_>) -> Option<Refused> {
        let socket = self.buffers.sockets.get_mut::<smoltcp::socket::tcp::Socket<'_>>(self.buffers.handle);
        let inspection = self.inspection.as_mut()?;
        let waiting = socket.recv_queue();
        let ended = self.outward == Outward::Ended;
        if waiting == 0 {
            if ended {
                self.inspection = None;
            }
            return None;
        }
        let since = *inspection.since.get_or_insert(service.now);
        let late = service.now >= since + service.patience.first_bytes;
        if waiting == inspection.seen && !ended && !late {
            return None;
        }
        inspection.seen = waiting;
        let first = socket.peek(FIRST_BYTES_MAX).unwrap_or_default();
        let more = first.len() < FIRST_BYTES_MAX && !ended && !late;
        // Who has ended says no more. The most that a server could take it for has the end of a head behind it.
        let said: Cow<'_, [u8]> = if ended { [first, b"\r\n\r\n"].concat().into() } else { first.into() };
        let verdict = inspection.inspector.inspect(inspection.to, &inspection.allowed, &said);
        drop(said);
        let (inspector, to) = (Arc::clone(&inspection.inspector), inspection.to);
        let name = inspection.allowed.name.clone();
        match verdict {
            Verdict::More if more => return None,
            Verdict::Pass { name } => {
                self.name = name;
                self.inspection = None;
                return None;
            }
            Verdict::Intercept { name } if !self.answered => match self.upstream.take() {
                Some(Upstream::Socket(upstream)) => {
                    let (ours, from_box) = duplex(PIPE);
                    self.upstream = Some(Upstream::Task(ours));
                    self.inspection = None;
                    self.name = Some(name.clone());
                    tokio::spawn(inspector.intercept(Intercepted { to, name, from_box, upstream }));
                    return None;
                }
                other => self.upstream = other,
            },
            Verdict::Refuse { refused, answer } => {
                if answer.is_empty() {
                    self.abort();
                } else {
                    // The answer is followed by an end, not by a reset that might overtake it. What the box sends is thrown away.
                    let _ = socket.send_slice(&answer);
                    socket.close();
                    (self.health, self.outward, self.inward_done) = (Health::Told, Outward::Done, true);
                }
                if let Some(upstream) = self.upstream.take() {
                    upstream.reset();
                }
                self.inspection = None;
                return Some(refused);
            }
            Verdict::More | Verdict::Intercept { .. } => {}
        }
        self.abort();
        let rule = "the first bytes of the connection can't be inspected".into();
        self.inspection = None;
        Some(Refused { rule, name })
    }

    /// Moves bytes from the box to the other end. Returns whether any were moved.
    fn carry_out(&mut self, context: &mut Context<'_>) -> bool {
        if self.outward == Outward::Done && self.health == Health::Whole || self.inspection.is_some() {
            return false;
        }
        let mut moved = false;
        let socket = self.buffers.sockets.get_mut::<smoltcp::socket::tcp::Socket<'_>>(self.buffers.handle);
        while socket.can_recv() {
            let Some(upstream) = self.upstream.as_mut().filter(|_| self.health == Health::Whole) else {
                // Nobody wants it.
                let _ = socket.recv(|bytes| (bytes.len(), ()));
                continue;
            };
            let step = socket.recv(|bytes| match upstream.poll_write(context, bytes) {
                Poll::Ready(Ok(count)) if count > 0 => (count, Step::Moved),
                Poll::Ready(_) => (0, Step::Failed),
                Poll::Pending => (0, Step::Waits),
            });
            match step {
                Ok(Step::Moved) => moved = true,
                Ok(Step::Failed) => self.health = Health::Broken,
                _ => return moved,
            }
        }
        if self.outward == Outward::Ended
            && self.health == Health::Whole
            && self.upstream.as_mut().is_none_or(|upstream| upstream.poll_shutdown(context).is_ready())
        {
            self.outward = Outward::Done;
            moved = true;
        }
        moved
    }

    /// Moves bytes from the other end to the box. Returns whether any were moved.
    fn carry_in(&mut self, context: &mut Context<'_>) -> bool {
        let mut moved = false;
        let socket = self.buffers.sockets.get_mut::<smoltcp::socket::tcp::Socket<'_>>(self.buffers.handle);
        while !self.inward_done && socket.can_send() {
            let room = socket.send_capacity() - socket.send_queue();
            if room < ROOM.min(socket.send_capacity() / 4) {
                break;
            }
            let Some(upstream) = self.upstream.as_mut() else { break };
            let step = socket.send(|buffer| match upstream.poll_read(context, buffer) {
                Poll::Ready(Ok(0)) => (0, Step::Ended),
                Poll::Ready(Ok(count)) => (count, Step::Moved),
                Poll::Ready(Err(_)) => (0, Step::Failed),
                Poll::Pending => (0, Step::Waits),
            });
            match step {
                Ok(Step::Moved) => (moved, self.answered) = (true, true),
                Ok(Step::Ended) => {
                    (self.inward_done, moved) = (true, true);
                    if self.health == Health::Whole {
                        socket.close();
                    }
                }
                Ok(Step::Failed) => (self.inward_done, self.health) = (true, Health::Broken),
                _ => break,
            }
        }
        // The reset comes after the bytes that came before it.
        if self.health == Health::Broken
            && self.inward_done
            && (socket.send_queue() == 0 || !socket.may_send())
        {
            self.abort();
        }
        moved
    }

    /// Sends what is to be sent to the box. Returns false if the link is full.
    fn flush(&mut self, service: &mut Service<'_>) -> bool {
        if self.quiet {
            return true;
        }
        let all = service.stack.flush(&mut self.buffers.sockets, service.out);
        // smoltcp would forget bytes that have not been passed on when its time of waiting is over.
        self.quiet = all && self.state() == State::TimeWait;
        all
    }

    fn wake(&mut self, service: &mut Service<'_>) -> Wake {
        if self.quiet { Wake::Never } else { service.stack.wake_at(&self.buffers.sockets) }
    }

    fn is_over(&mut self, wake: Wake) -> bool {
        let silent = wake == Wake::Never;
        match self.state() {
            // What came before both ends is still passed on.
            State::Closed => {
                let passing_on =
                    self.health == Health::Whole && self.outward == Outward::Ended && self.inward_done;
                silent && !passing_on
            }
            State::TimeWait => silent && self.outward == Outward::Done,
            State::Listen => true,
            _ => false,
        }
    }

    fn impatient_at(&mut self, patience: Patience) -> Option<Instant> {
        if self.state() == State::SynReceived {
            return Some(self.opened + patience.handshake);
        }
        let half = self.outward != Outward::Flows || self.inward_done || self.health != Health::Whole;
        half.then(|| self.active + patience.half_closed)
    }

    fn check_patience(&mut self, service: &Service<'_>) {
        if self.impatient_at(service.patience).is_some_and(|at| at <= service.now)
            && self.state() != State::Closed
        {
            self.abort();
            self.quiet = false;
        }
    }
}
