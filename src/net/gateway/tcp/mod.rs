//! The box's TCP connections. A SYN is answered only when the policy allows it and the host's side has been made, so that what the box sees
//! is what is so. Called by the loop in `run.rs`. Files: `syn` is what the box begins with, `waiting` has those that find no place, `dial`
//! makes the host's side, `bypass` says for what a proxy is not asked, `table` has all connections, `connection` moves the bytes of one,
//! `buffers` and `memory` take memory and give it back, `timers` says when one is looked at although nothing happens, `name_service` is DNS
//! over TCP, `proxy_service` an HTTP proxy.

mod buffers;
mod bypass;
mod connection;
mod dial;
mod memory;
mod name_service;
mod proxy_service;
mod syn;
mod table;
mod timers;
mod upstream;
mod waiting;

use std::{
    collections::VecDeque,
    net::IpAddr,
    sync::Arc,
    task::{Context, Poll},
    time::{Duration, Instant},
};

use boxlite_spec::network::{PROXY_PORT, control::Refusal, rule::Protocol};
use tokio::{io::duplex, net::TcpStream};

use self::{
    buffers::Pool,
    connection::{Connection, Served, Service},
    dial::{Failure, dial},
    memory::Trimmer,
    syn::{Syn, destination},
    table::{Dial, Dialing, State, Table},
    timers::Timers,
    upstream::Upstream,
    waiting::Waiting,
};
use super::{
    frame::{self, Flow, Segment},
    limits::NoSlot,
    outgoing::Outgoing,
    parts::Parts,
    ready::Ready,
    reply::{self, Unreachable},
    stack::Stack,
};
use crate::decision::{Decision, Destination, Refused};

/// How often SYNs that wait for a place are looked at; places that UDP gives back do not call.
const PLACE_INTERVAL: Duration = Duration::from_millis(100);
/// How much lies between the box and the gateway's proxy.
const PROXY_PIPE: usize = 64 * 1024;
const NAME_PORT: u16 = 53;

/// A service of the gateway itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum OwnService {
    /// DNS.
    Names,
    /// The HTTP proxy that leads to the host's.
    Proxy,
}

/// All connections.
#[derive(Debug)]
pub(super) struct Tcp {
    parts: Parts,
    stack: Stack,
    table: Table,
    pool: Pool,
    trimmer: Trimmer,
    ready: Arc<Ready>,
    /// Connections that got a packet in this turn.
    touched: Vec<usize>,
    taken: Vec<usize>,
    /// Connections that wait for room on the link.
    blocked: VecDeque<usize>,
    timers: Timers,
    waiting: Waiting,
    /// When those who wait for a place or for their second are looked at.
    look_at: Option<Instant>,
    /// Until when the host, which has no descriptors or ports left, is not asked again.
    exhausted_until: Option<Instant>,
}

impl Tcp {
    /// No connections yet.
    pub(super) fn new(parts: Parts, ready: Arc<Ready>, out: &mut Outgoing) -> Self {
        Self {
            stack: Stack::new(&parts.link, parts.offload, out),
            parts,
            table: Table::new(Arc::clone(&ready)),
            pool: Pool::default(),
            trimmer: Trimmer::default(),
            ready,
            touched: Vec::new(),
            taken: Vec::new(),
            blocked: VecDeque::new(),
            timers: Timers::default(),
            waiting: Waiting::default(),
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
        let Some(number) = self.table.find(segment.flow) else {
            if segment.opens() {
                self.open(segment, out, now);
            } else {
                reply::reset(segment, &self.parts.link, out);
            }
            return;
        };
        let Some(entry) = self.table.get_mut(number) else { return };
        match &mut entry.state {
            State::Open(connection) => {
                connection.feed(segment.packet, &mut self.stack, out);
                if entry.signal.mark() {
                    self.touched.push(number);
                }
            }
            // The box has tried again from the same port.
            State::Dialing(dialing) if segment.opens() => {
                dialing.syn = Syn::new(segment, dialing.syn.since);
            }
            State::Dialing(_) if segment.flags & frame::RST != 0 => self.remove(number),
            State::Dialing(_) => {}
        }
    }

    /// Decides about a new connection.
    fn open(&mut self, segment: &Segment<'_>, out: &mut Outgoing, now: Instant) {
        if self.waiting.contains(segment.flow) {
            return;
        }
        let syn = Syn::new(segment, now);
        if self.own_service(syn.flow).is_none()
            && let Decision::Refused(refused) = self.parts.decide.decide(syn.to())
        {
            self.refuse(&syn, refused, out);
            return;
        }
        if !self.waiting.is_empty() || self.is_exhausted(now) {
            self.waiting.push(syn);
        } else if let Some(syn) = self.start(syn, out, now) {
            self.waiting.push(syn);
        }
    }

    fn is_exhausted(&self, now: Instant) -> bool {
        self.exhausted_until.is_some_and(|until| now < until)
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

    fn own_service(&self, flow: Flow) -> Option<OwnService> {
        let ours = match flow.to.ip() {
            IpAddr::V4(to) => to == self.parts.link.v4.gateway,
            IpAddr::V6(to) => self.parts.link.v6.is_some_and(|v6| to == v6.gateway),
        };
        match flow.to.port() {
            NAME_PORT if ours => Some(OwnService::Names),
            PROXY_PORT if ours && self.parts.proxy.is_some() => Some(OwnService::Proxy),
            _ => None,
        }
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
        if let Some(service) = self.own_service(flow) {
            let (ours, theirs) = duplex(match service {
                OwnService::Names => name_service::PIPE,
                OwnService::Proxy => PROXY_PIPE,
            });
            match service {
                OwnService::Names => tokio::spawn(name_service::serve(theirs, Arc::clone(&self.parts.names))),
                OwnService::Proxy => tokio::spawn(proxy_service::serve(theirs, self.parts.clone())),
            };
            let buffers = self.pool.take(self.table.len());
            if let Ok(mut connection) = Connection::new(buffers, flow, Upstream::Task(ours), now) {
                connection.feed(&syn.packet, &mut self.stack, out);
                let number = self.table.insert(flow, None, State::Open(Box::new(connection)), slot);
                self.serve(number, out, now);
            }
            return None;
        }
        match self.parts.decide.decide(to) {
            Decision::Refused(refused) => self.refuse(&syn, refused, out),
            Decision::Allowed(allowed) => {
                let dial: Dial = Box::pin(dial(to, allowed.clone(), self.parts.proxy.clone()));
                let until = now + self.parts.patience.dial;
                let state = State::Dialing(Dialing { dial, syn, until });
                let number = self.table.insert(flow, Some(allowed), state, slot);
                self.serve(number, out, now);
            }
        }
        None
    }

    fn remove(&mut self, number: usize) {
        let Some(entry) = self.table.remove(number) else { return };
        if let State::Open(connection) = entry.state {
            self.pool.give(connection.close());
        }
    }

    /// Serves every connection to which something happened. Returns whether any was served.
    pub(super) fn turn(&mut self, out: &mut Outgoing, now: Instant) -> bool {
        let mut numbers = std::mem::take(&mut self.touched);
        self.ready.take(&mut self.taken);
        numbers.append(&mut self.taken);
        while let Some((at, number)) = self.timers.pop(now) {
            if let Some(entry) = self.table.get_mut(number)
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
        self.trimmer.note(self.table.len());
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
            if let Some(entry) = self.table.get_mut(number) {
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
            && let Some(syn) = self.waiting.pop()
        {
            if now.saturating_duration_since(syn.since) > self.parts.patience.place {
                self.parts.slots.report_full(Protocol::Tcp, syn.flow.to.ip(), syn.flow.to.port());
                reply::unreachable(&syn.packet, Unreachable::Host, &self.parts.link, out);
                continue;
            }
            if let Some(syn) = self.start(syn, out, now) {
                self.waiting.put_back(syn);
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
        let Some(entry) = self.table.get_mut(number) else { return };
        entry.signal.clear();
        let waker = entry.waker.clone();
        let mut context = Context::from_waker(&waker);
        if let State::Dialing(dialing) = &mut entry.state {
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
        let Some(entry) = self.table.get_mut(number) else { return };
        let State::Open(connection) = &mut entry.state else { return };
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
        let open = self.table.len();
        let Some(entry) = self.table.get_mut(number) else { return };
        let State::Dialing(dialing) = &entry.state else { return };
        let Ok(mut connection) =
            Connection::new(self.pool.take(open), entry.flow, Upstream::Socket(stream), now)
        else {
            // Its dialling is over and must not be asked again. The box tries once more.
            return self.remove(number);
        };
        let to = destination(entry.flow);
        if let (Some(inspector), Some(allowed)) = (&self.parts.inspector, &entry.allowed)
            && inspector.wants(to, allowed)
        {
            connection.inspect_by(Arc::clone(inspector), to, allowed.clone());
        }
        connection.feed(&dialing.syn.packet, &mut self.stack, out);
        entry.state = State::Open(Box::new(connection));
    }

    /// The host's side could not be made: the box is told why.
    fn not_connected(&mut self, number: usize, failure: Failure, out: &mut Outgoing, now: Instant) {
        let Some(entry) = self.table.remove(number) else { return };
        let State::Dialing(Dialing { syn, .. }) = entry.state else { return };
        match failure {
            Failure::Refused => reply::reset(&syn.segment(), &self.parts.link, out),
            Failure::Proxy(why) => {
                let name = entry.allowed.and_then(|allowed| allowed.name);
                self.refuse(&syn, Refused { rule: format!("proxy: {why}"), name }, out);
            }
            Failure::Unreachable(why) => reply::unreachable(&syn.packet, why, &self.parts.link, out),
            Failure::Exhausted => {
                self.exhausted_until = Some(now + PLACE_INTERVAL);
                self.waiting.push(syn);
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
        let refused: Vec<_> = self.table.numbers().filter(|number| !self.is_still_allowed(*number)).collect();
        for number in refused {
            let Some(entry) = self.table.get_mut(number) else { continue };
            match &mut entry.state {
                State::Open(connection) => {
                    connection.abort();
                    self.serve(number, out, now);
                }
                State::Dialing(dialing) => {
                    reply::reset(&dialing.syn.segment(), &self.parts.link, out);
                    self.remove(number);
                }
            }
        }
    }

    fn is_still_allowed(&self, number: usize) -> bool {
        let Some(entry) = self.table.get(number) else { return true };
        if entry.allowed.is_none() {
            return true;
        }
        let to = destination(entry.flow);
        let name = match &entry.state {
            State::Open(connection) => connection.name(),
            State::Dialing(_) => None,
        };
        let decision = match name {
            Some(name) => self.parts.decide.decide_named(to, name),
            None => self.parts.decide.decide(to),
        };
        matches!(decision, Decision::Allowed(_))
    }
}
