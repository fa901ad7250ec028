//! The box's TCP connections. A SYN is answered only when the policy allows it and the host's side has been made, so that what the box sees
//! is what is so. Called by the loop in `run.rs`. Files: `dial` makes the host's side, `connection` moves the bytes, `buffers` and
//! `memory` take memory and give it back, `timers` says when one is looked at although nothing happens, `name_service` is DNS over TCP.

mod buffers;
mod connection;
mod dial;
mod memory;
mod name_service;
mod timers;
mod upstream;

use std::{
    collections::{HashMap, HashSet, VecDeque},
    fmt,
    future::Future,
    net::IpAddr,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, Waker},
    time::{Duration, Instant},
};

use boxlite_spec::network::{control::Refusal, rule::Protocol};
use tokio::{io::duplex, net::TcpStream};

use self::{
    buffers::Pool,
    connection::{Connection, Served, Service},
    dial::{Failure, dial},
    memory::Trimmer,
    timers::Timers,
    upstream::Upstream,
};
use super::{
    frame::{self, Flow, Segment},
    limits::{NoSlot, Slot},
    outgoing::Outgoing,
    parts::Parts,
    ready::{Ready, Signal},
    reply::{self, Unreachable},
    stack::Stack,
};
use crate::decision::{Allowed, Decision, Destination, Refused};

/// Most SYNs that wait for a place or for their second. The box repeats those that find none.
const WAITING_MAX: usize = 4096;
/// How often SYNs that wait for a place are looked at; places that UDP gives back do not call.
const PLACE_INTERVAL: Duration = Duration::from_millis(100);
/// How much of DNS over TCP lies between the box and the name server.
const NAME_PIPE: usize = 64 * 1024;
const NAME_PORT: u16 = 53;

/// All connections.
#[derive(Debug)]
pub(super) struct Tcp {
    parts: Parts,
    stack: Stack,
    flows: HashMap<Flow, usize>,
    entries: Vec<Option<Entry>>,
    free: Vec<usize>,
    pool: Pool,
    trimmer: Trimmer,
    ready: Arc<Ready>,
    /// Connections that got a packet in this turn.
    touched: Vec<usize>,
    taken: Vec<usize>,
    /// Connections that wait for room on the link.
    blocked: VecDeque<usize>,
    timers: Timers,
    waiting: VecDeque<Syn>,
    waiting_flows: HashSet<Flow>,
    /// When those who wait for a place or for their second are looked at.
    look_at: Option<Instant>,
    /// Until when the host, which has no descriptors or ports left, is not asked again.
    exhausted_until: Option<Instant>,
}

/// A place in the table.
#[derive(Debug)]
struct Entry {
    flow: Flow,
    signal: Arc<Signal>,
    waker: Waker,
    timer: Option<Instant>,
    blocked: bool,
    /// What the policy said; `None` for the gateway's own services.
    allowed: Option<Allowed>,
    state: EntryState,
    _slot: Slot,
}

#[derive(Debug)]
enum EntryState {
    Dialing(Dialing),
    Open(Box<Connection>),
}

type Dial = Pin<Box<dyn Future<Output = Result<TcpStream, Failure>> + Send>>;

/// A connection whose host side is being made.
struct Dialing {
    dial: Dial,
    syn: Syn,
    until: Instant,
}

impl fmt::Debug for Dialing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Dialing").field("syn", &self.syn).finish_non_exhaustive()
    }
}

/// A SYN that has not been answered.
#[derive(Debug)]
struct Syn {
    flow: Flow,
    from: IpAddr,
    sequence: u32,
    length: u32,
    packet: Vec<u8>,
    since: Instant,
}

impl Syn {
    fn new(segment: &Segment<'_>, since: Instant) -> Self {
        let (flow, from, sequence, length) = (segment.flow, segment.from, segment.sequence, segment.length);
        Self { flow, from, sequence, length, packet: segment.packet.to_vec(), since }
    }

    fn segment(&self) -> Segment<'_> {
        Segment {
            flow: self.flow,
            from: self.from,
            flags: frame::SYN,
            sequence: self.sequence,
            acknowledged: 0,
            length: self.length,
            packet: &self.packet,
        }
    }

    fn to(&self) -> Destination {
        destination(self.flow)
    }
}

fn destination(flow: Flow) -> Destination {
    Destination { protocol: Protocol::Tcp, address: flow.to.ip(), port: flow.to.port() }
}

impl Tcp {
    /// No connections yet.
    pub(super) fn new(parts: Parts, ready: Arc<Ready>, out: &mut Outgoing) -> Self {
        Self {
            stack: Stack::new(&parts.link, parts.offload, out),
            parts,
            flows: HashMap::new(),
            entries: Vec::new(),
            free: Vec::new(),
            pool: Pool::default(),
            trimmer: Trimmer::default(),
            ready,
            touched: Vec::new(),
            taken: Vec::new(),
            blocked: VecDeque::new(),
            timers: Timers::default(),
            waiting: VecDeque::new(),
            waiting_flows: HashSet::new(),
            look_at: None,
            exhausted_until: None,
        }
    }

    /// Starts a turn of the loop.
    pub(super) fn set_now(&mut self, now: Instant) {
        self.stack.set_now(now);
    }

    /// Takes a segment from the box.
    pub(super) fn handle(&mut self, segment: &Segment<'_>, out: &mut Outgoing, now: Instant) {
        let Some(&number) = self.flows.get(&segment.flow) else {
            if segment.opens() {
                self.open(segment, out, now);
            } else {
                reply::reset(segment, &self.parts.link, out);
            }
            return;
        };
        let Some(entry) = self.entries.get_mut(number).and_then(Option::as_mut) else { return };
        match &mut entry.state {
            EntryState::Open(connection) => {
                connection.feed(segment.packet, &mut self.stack, out);
                if entry.signal.mark() {
                    self.touched.push(number);
                }
            }
            // The box has tried again from the same port.
            EntryState::Dialing(dialing) if segment.opens() => {
                dialing.syn = Syn::new(segment, dialing.syn.since);
            }
            EntryState::Dialing(_) if segment.flags & frame::RST != 0 => self.remove(number),
            EntryState::Dialing(_) => {}
        }
    }

    /// Decides about a new connection.
    fn open(&mut self, segment: &Segment<'_>, out: &mut Outgoing, now: Instant) {
        if self.waiting_flows.contains(&segment.flow) {
            return;
        }
        let syn = Syn::new(segment, now);
        if !self.is_name_service(syn.flow)
            && let Decision::Refused(refused) = self.parts.decide.decide(syn.to())
        {
            self.refuse(&syn, refused, out);
            return;
        }
        if !self.waiting.is_empty() || self.is_exhausted(now) {
            self.wait(syn);
        } else if let Some(syn) = self.start(syn, out, now) {
            self.wait(syn);
        }
    }

    fn is_exhausted(&self, now: Instant) -> bool {
        self.exhausted_until.is_some_and(|until| now < until)
    }

    fn wait(&mut self, syn: Syn) {
        if self.waiting.len() < WAITING_MAX && self.waiting_flows.insert(syn.flow) {
            self.waiting.push_back(syn);
        }
    }

    fn refuse(&self, syn: &Syn, refused: Refused, out: &mut Outgoing) {
        self.report(syn.to(), refused);
        reply::reset(&syn.segment(), &self.parts.link, out);
    }

    fn report(&self, to: Destination, refused: Refused) {
        self.parts.reports.counters.count_refusal();
        self.parts.reports.refusals.report(Refusal {
            address: Some(to.address),
            port: to.port,
            protocol: to.protocol,
            name: refused.name,
            rule: refused.rule,
            count: 1,
        });
    }

    fn is_name_service(&self, flow: Flow) -> bool {
        let ours = match flow.to.ip() {
            IpAddr::V4(to) => to == self.parts.link.v4.gateway,
            IpAddr::V6(to) => self.parts.link.v6.is_some_and(|v6| to == v6.gateway),
        };
        ours && flow.to.port() == NAME_PORT
    }

    /// Begins to make the host's side. Returns the SYN if it has to wait.
    fn start(&mut self, syn: Syn, out: &mut Outgoing, now: Instant) -> Option<Syn> {
        let slot = match self.parts.slots.take(now) {
            Ok(slot) => slot,
            Err(why) => {
                self.look_at = Some(match why {
                    NoSlot::Taken => now + PLACE_INTERVAL,
                    NoSlot::TooFast(then) => then,
                });
                return Some(syn);
            }
        };
        let (flow, to) = (syn.flow, syn.to());
        if self.is_name_service(flow) {
            let (ours, theirs) = duplex(NAME_PIPE);
            tokio::spawn(name_service::serve(theirs, Arc::clone(&self.parts.names)));
            let buffers = self.pool.take(self.flows.len());
            if let Ok(mut connection) = Connection::new(buffers, flow, Upstream::Task(ours), now) {
                connection.feed(&syn.packet, &mut self.stack, out);
                let number = self.insert(flow, None, EntryState::Open(Box::new(connection)), slot);
                self.serve(number, out, now);
            }
            return None;
        }
        match self.parts.decide.decide(to) {
            Decision::Refused(refused) => self.refuse(&syn, refused, out),
            Decision::Allowed(allowed) => {
                let dial: Dial = Box::pin(dial(to, allowed.clone(), self.parts.proxy.clone()));
                let until = now + self.parts.patience.dial;
                let state = EntryState::Dialing(Dialing { dial, syn, until });
                let number = self.insert(flow, Some(allowed), state, slot);
                self.serve(number, out, now);
            }
        }
        None
    }

    fn insert(&mut self, flow: Flow, allowed: Option<Allowed>, state: EntryState, slot: Slot) -> usize {
        let number = self.free.pop().unwrap_or_else(|| {
            self.entries.push(None);
            self.entries.len() - 1
        });
        let signal = Signal::new(number, &self.ready);
        let waker = Waker::from(Arc::clone(&signal));
        let entry = Entry { flow, signal, waker, timer: None, blocked: false, allowed, state, _slot: slot };
        self.entries[number] = Some(entry);
        self.flows.insert(flow, number);
        number
    }

    fn remove(&mut self, number: usize) {
        let Some(entry) = self.entries.get_mut(number).and_then(Option::take) else { return };
        self.free.push(number);
        self.flows.remove(&entry.flow);
        if let EntryState::Open(connection) = entry.state {
            self.pool.give(connection.close());
        }
    }

    /// Serves every connection to which something happened. Returns whether any was served.
    pub(super) fn turn(&mut self, out: &mut Outgoing, now: Instant) -> bool {
        let mut numbers = std::mem::take(&mut self.touched);
        self.ready.take(&mut self.taken);
        numbers.append(&mut self.taken);
        while let Some((at, number)) = self.timers.pop(now) {
            if let Some(Some(entry)) = self.entries.get_mut(number)
                && entry.timer == Some(at)
            {
                entry.timer = None;
                numbers.push(number);
            }
        }
        let any = !numbers.is_empty();
        for number in numbers.drain(..) {
            self.serve(number, out, now);
        }
        self.touched = numbers;
        if !self.is_exhausted(now) {
            self.exhausted_until = None;
        }
        self.trimmer.note(self.flows.len());
        let waited = self.serve_waiting(out, now);
        let blocked = self.serve_blocked(out, now);
        any | waited | blocked
    }

    /// Serves those who waited for room on the link, in turn, while there is room.
    fn serve_blocked(&mut self, out: &mut Outgoing, now: Instant) -> bool {
        let mut any = false;
        for _ in 0..self.blocked.len() {
            if !out.has_room() {
                break;
            }
            let Some(number) = self.blocked.pop_front() else { break };
            if let Some(Some(entry)) = self.entries.get_mut(number) {
                entry.blocked = false;
            }
            self.serve(number, out, now);
            any = true;
        }
        any
    }

    /// Makes the connections that waited, as far as there are places.
    fn serve_waiting(&mut self, out: &mut Outgoing, now: Instant) -> bool {
        let mut any = false;
        while !self.is_exhausted(now)
            && let Some(syn) = self.waiting.pop_front()
        {
            self.waiting_flows.remove(&syn.flow);
            if now.saturating_duration_since(syn.since) > self.parts.patience.place {
                self.parts.slots.report_full(Protocol::Tcp, syn.flow.to.ip(), syn.flow.to.port());
                reply::unreachable(&syn.packet, Unreachable::Host, &self.parts.link, out);
                continue;
            }
            if let Some(syn) = self.start(syn, out, now) {
                self.waiting_flows.insert(syn.flow);
                self.waiting.push_front(syn);
                break;
            }
            any = true;
        }
        if self.waiting.is_empty() {
            self.look_at = None;
        }
        any
    }

    /// Serves one connection.
    fn serve(&mut self, number: usize, out: &mut Outgoing, now: Instant) {
        let Some(Some(entry)) = self.entries.get_mut(number) else { return };
        entry.signal.clear();
        let waker = entry.waker.clone();
        let mut context = Context::from_waker(&waker);
        if let EntryState::Dialing(dialing) = &mut entry.state {
            let until = dialing.until;
            match dialing.dial.as_mut().poll(&mut context) {
                Poll::Ready(Ok(stream)) => self.connected(number, stream, out, now),
                Poll::Ready(Err(failure)) => return self.not_connected(number, failure, out, now),
                Poll::Pending if now >= until => {
                    let failure = Failure::Unreachable(Unreachable::Host);
                    return self.not_connected(number, failure, out, now);
                }
                Poll::Pending => return self.timers.set(number, Some(until), &mut entry.timer),
            }
        }
        let Some(Some(entry)) = self.entries.get_mut(number) else { return };
        let EntryState::Open(connection) = &mut entry.state else { return };
        let mut service = Service { stack: &mut self.stack, out, now, patience: self.parts.patience };
        match connection.serve(&mut service, &mut context) {
            Served::Open { blocked, wake } => {
                self.timers.set(number, wake, &mut entry.timer);
                if blocked && !entry.blocked {
                    entry.blocked = true;
                    self.blocked.push_back(number);
                }
            }
            Served::Refused(refused) => {
                let to = destination(entry.flow);
                self.report(to, refused);
            }
            Served::Over => self.remove(number),
        }
    }

    /// The host's side has been made: the box's SYN is answered.
    fn connected(&mut self, number: usize, stream: TcpStream, out: &mut Outgoing, now: Instant) {
        let open = self.flows.len();
        let Some(Some(entry)) = self.entries.get_mut(number) else { return };
        let EntryState::Dialing(dialing) = &entry.state else { return };
        let Ok(mut connection) =
            Connection::new(self.pool.take(open), entry.flow, Upstream::Socket(stream), now)
        else {
            return;
        };
        let to = destination(entry.flow);
        if let (Some(inspector), Some(allowed)) = (&self.parts.inspector, &entry.allowed)
            && inspector.wants(to, allowed)
        {
            connection.inspect_by(Arc::clone(inspector), to, allowed.clone());
        }
        connection.feed(&dialing.syn.packet, &mut self.stack, out);
        entry.state = EntryState::Open(Box::new(connection));
    }

    /// The host's side could not be made: the box is told why.
    fn not_connected(&mut self, number: usize, failure: Failure, out: &mut Outgoing, now: Instant) {
        let Some(entry) = self.entries.get_mut(number).and_then(Option::take) else { return };
        self.free.push(number);
        self.flows.remove(&entry.flow);
        let EntryState::Dialing(Dialing { syn, .. }) = entry.state else { return };
        match failure {
            Failure::Refused => reply::reset(&syn.segment(), &self.parts.link, out),
            Failure::Unreachable(why) => reply::unreachable(&syn.packet, why, &self.parts.link, out),
            Failure::Exhausted => {
                self.exhausted_until = Some(now + PLACE_INTERVAL);
                self.wait(syn);
            }
        }
    }

    /// When the next turn is due although nothing happens.
    pub(super) fn wake_at(&self) -> Option<Instant> {
        let waiting = self.exhausted_until.or(self.look_at).filter(|_| !self.waiting.is_empty());
        self.timers.first().into_iter().chain(waiting).min()
    }

    /// Resets the connections that the policy, which has been replaced, refuses.
    pub(super) fn recheck(&mut self, out: &mut Outgoing, now: Instant) {
        let refused: Vec<_> =
            (0..self.entries.len()).filter(|number| !self.is_still_allowed(*number)).collect();
        for number in refused {
            let Some(Some(entry)) = self.entries.get_mut(number) else { continue };
            match &mut entry.state {
                EntryState::Open(connection) => {
                    connection.abort();
                    self.serve(number, out, now);
                }
                EntryState::Dialing(dialing) => {
                    reply::reset(&dialing.syn.segment(), &self.parts.link, out);
                    self.remove(number);
                }
            }
        }
    }

    fn is_still_allowed(&self, number: usize) -> bool {
        let Some(Some(entry)) = self.entries.get(number) else { return true };
        if entry.allowed.is_none() {
            return true;
        }
        let to = destination(entry.flow);
        let name = match &entry.state {
            EntryState::Open(connection) => connection.name(),
            EntryState::Dialing(_) => None,
        };
        let decision = match name {
            Some(name) => self.parts.decide.decide_named(to, name),
            None => self.parts.decide.decide(to),
        };
        matches!(decision, Decision::Allowed(_))
    }
}
