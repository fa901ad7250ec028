//! The flows of datagrams between the box and the world: network address translation for UDP and ICMP echo. Called by `handler`; keeps them
//! in a `table`, and those that begin later in `waiting`.
//!
//! One socket of the host serves all flows of one port of the box, so that every peer sees the same outer port (endpoint-independent
//! mapping, RFC 4787): what STUN tells a program holds for its other peers, which games and calls need. Only peers that the box has sent to,
//! and that the policy allows, get through to it.

use std::{
    collections::hash_map::RandomState,
    hash::BuildHasher,
    io,
    net::SocketAddr,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Instant,
};

use boxlite_spec::network::control::Refusal;
use tokio::time::{sleep, sleep_until};

use super::{
    super::limits::{NoSlot, Slots},
    errors::{Errors, Why},
    flow::{Flow, Kind},
    lives::Lives,
    sockets::{HostError, HostSocket, RECEIVED_MAX},
    table::{Port, Table},
    waiting::Waiting,
    writer::{Frames, Writer},
};
use crate::{
    backend::Reports,
    decision::{Decide, Decision, Destination, Refused},
};

/// Ports of name services that ask a group of hosts: mDNS (RFC 6762) and LLMNR (RFC 4795).
const GROUP_NAMES: [u16; 2] = [5353, 5355];

/// What flows are made with.
#[derive(Debug)]
pub(super) struct Context {
    pub(super) writer: Writer,
    pub(super) errors: Errors,
    pub(super) decide: Arc<dyn Decide>,
    pub(super) slots: Arc<Slots>,
    pub(super) reports: Reports,
    pub(super) lives: Lives,
}

/// The flows of a box.
#[derive(Debug)]
pub(super) struct Flows(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    context: Context,
    held: Mutex<Held>,
    /// Where datagrams are received, by one task at a time.
    room: Mutex<Box<[u8]>>,
}

#[derive(Debug, Default)]
struct Held {
    table: Table,
    /// What begins later.
    waiting: Waiting,
    /// Whether a task looks for flows that have ended.
    watched: bool,
}

/// Why a flow does not begin now.
enum Shut {
    /// The box is told.
    Told(Why),
    /// The box has opened as many connections as it may in a second.
    Until(Instant),
}

impl Flows {
    /// No flows yet.
    pub(super) fn new(context: Context) -> Self {
        let room = Mutex::new(vec![0; RECEIVED_MAX].into_boxed_slice());
        Self(Arc::new(Shared { context, held: Mutex::default(), room }))
    }

    /// Passes a datagram on: the payload of UDP, or an echo message from its ident on. `packet` is what an ICMP error quotes. Returns whether
    /// the datagram was sent, refused or answered, or waits; if not, it is lost.
    pub(super) fn send(&self, flow: Flow, payload: &[u8], packet: &[u8]) -> bool {
        let shared = &self.0;
        let mut held = shared.held();
        let (socket, dial) = match held.table.touch(flow) {
            Some(found) => found,
            None => match shared.open_or_wait(&mut held, flow, payload) {
                Ok(Some(found)) => found,
                Ok(None) => return true,
                Err(why) => {
                    shared.context.errors.answer(packet, why);
                    return true;
                }
            },
        };
        drop(held);
        // The first call may report what happened to an earlier datagram, which the receiver is told too.
        let sent = socket.send(payload, dial).or_else(|_| socket.send(payload, dial));
        match sent.map_err(|error| unsent(&error)) {
            Ok(()) => true,
            Err(Some(why)) => {
                shared.context.errors.answer(packet, why);
                true
            }
            Err(None) => false,
        }
    }

    /// Refuses a datagram that asks a group of hosts for a name. Returns whether it was one. The policy knows the ports of name services that
    /// are asked singly.
    pub(super) fn refuse_names(&self, flow: Flow) -> bool {
        let refused = flow.kind == Kind::Udp && GROUP_NAMES.contains(&flow.to.port());
        if refused {
            self.0.report(flow, Refused { rule: "dns".into(), name: None });
        }
        refused
    }

    /// Asks the policy again, which has been replaced, and ends what it refuses.
    pub(super) fn recheck(&self) {
        self.0.held().table.end(|flow| self.0.decide(flow).is_err());
    }

    #[cfg(test)]
    pub(super) fn open(&self) -> (usize, usize) {
        self.0.held().table.open()
    }
}

impl Drop for Flows {
    fn drop(&mut self) {
        // The tasks hold the table too.
        let mut held = self.0.held();
        held.table.clear();
        held.waiting = Waiting::default();
    }
}

impl Shared {
    fn held(&self) -> MutexGuard<'_, Held> {
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn report(&self, flow: Flow, refused: Refused) {
        self.context.reports.counters.count_refusal();
        self.context.reports.refusals.report(Refusal {
            address: Some(flow.to.ip()),
            port: flow.to.port(),
            protocol: flow.kind.protocol(),
            name: refused.name,
            rule: refused.rule,
            count: 1,
        });
    }

    fn decide(&self, flow: Flow) -> Result<SocketAddr, Refused> {
        let to = Destination { protocol: flow.kind.protocol(), address: flow.to.ip(), port: flow.to.port() };
        match self.context.decide.decide(to) {
            Decision::Allowed(allowed) => Ok(allowed.dial),
            Decision::Refused(refused) => Err(refused),
        }
    }

    /// Begins the flow of a datagram. Returns `None` if it begins later, and the datagram waits until then.
    fn open_or_wait(
        self: &Arc<Self>,
        held: &mut Held,
        flow: Flow,
        payload: &[u8],
    ) -> Result<Option<(Arc<HostSocket>, SocketAddr)>, Why> {
        let now = Instant::now();
        let then = if held.waiting.holds(flow) {
            None
        } else {
            match self.open(held, flow, now) {
                Ok(found) => return Ok(Some(found)),
                Err(Shut::Told(why)) => return Err(why),
                Err(Shut::Until(then)) => Some(then),
            }
        };
        let waited = held.waiting.first().is_some();
        if !held.waiting.add(flow, payload, now) {
            return Err(self.full(flow));
        }
        if let Some(then) = then.filter(|_| !waited) {
            tokio::spawn(begin(Arc::clone(self), then));
        }
        Ok(None)
    }

    /// Begins the flows that wait, in their order. Returns when the next one may begin, `None` if none waits any more.
    fn begin(self: &Arc<Self>) -> Option<Instant> {
        let (mut held, now) = (self.held(), Instant::now());
        while let Some((flow, since)) = held.waiting.first() {
            let opened = if now.saturating_duration_since(since) > self.context.lives.wait {
                Err(Shut::Told(self.full(flow)))
            } else {
                self.open(&mut held, flow, now)
            };
            match opened {
                Ok((socket, dial)) => {
                    for payload in held.waiting.take_first() {
                        if let Err(Some(why)) = socket.send(&payload, dial).map_err(|error| unsent(&error)) {
                            self.context.errors.answer_flow(flow, why);
                        }
                    }
                }
                Err(Shut::Told(why)) => {
                    held.waiting.take_first();
                    self.context.errors.answer_flow(flow, why);
                }
                Err(Shut::Until(then)) => return Some(then),
            }
        }
        None
    }

    /// Reports that a flow found no place. Returns what the box is told.
    fn full(&self, flow: Flow) -> Why {
        self.context.slots.report_full(flow.kind.protocol(), flow.to.ip(), flow.to.port());
        Why::Prohibited
    }

    /// Begins a flow, if it is allowed and there is a place for it.
    fn open(
        self: &Arc<Self>,
        held: &mut Held,
        flow: Flow,
        now: Instant,
    ) -> Result<(Arc<HostSocket>, SocketAddr), Shut> {
        let dial = self.decide(flow).map_err(|refused| {
            self.report(flow, refused);
            Shut::Told(Why::Prohibited)
        })?;
        let Held { table, watched, .. } = held;
        let slot = match self.context.slots.take(now) {
            Err(NoSlot::Taken) => {
                table.give_up(|_| true);
                self.context.slots.take(now)
            }
            taken => taken,
        };
        let slot = slot.map_err(|why| match why {
            NoSlot::Taken => Shut::Told(self.full(flow)),
            NoSlot::TooFast(then) => Shut::Until(then),
        })?;
        if table.len() >= self.context.lives.most {
            table.give_up(|_| true);
        }
        // The socket of an echo has no port, whatever the policy writes.
        let dial = if flow.kind == Kind::Echo { SocketAddr::new(dial.ip(), 0) } else { dial };
        let port = Port { kind: flow.kind, guest: flow.guest, v6: dial.is_ipv6() };
        self.provide_socket(table, port).map_err(|error| Shut::Told(self.no_socket(flow, &error)))?;
        let socket = table.add(flow, port, dial, slot, now).ok_or(Shut::Told(Why::Host))?;
        if !*watched {
            *watched = true;
            tokio::spawn(watch(Arc::clone(self)));
        }
        Ok((socket, dial))
    }

    /// Opens the socket of a port, unless it has one.
    fn provide_socket(self: &Arc<Self>, table: &mut Table, port: Port) -> io::Result<()> {
        if table.socket(port).is_some() {
            return Ok(());
        }
        if port.kind == Kind::Echo && table.sockets(Kind::Echo) >= self.context.lives.most_echoes {
            table.give_up(|flow| flow.kind == Kind::Echo);
        }
        #[expect(clippy::cast_possible_truncation, reason = "any bits will do")]
        let ident = RandomState::new().hash_one(port) as u16;
        let socket = HostSocket::open(port.kind, port.v6, ident).or_else(|error| {
            // The system may have had no descriptors left.
            table.give_up(|_| true);
            HostSocket::open(port.kind, port.v6, ident).map_err(|_| error)
        })?;
        let socket = Arc::new(socket);
        let receiver = tokio::spawn(receive(Arc::clone(self), Arc::clone(&socket), port)).abort_handle();
        table.add_socket(port, socket, receiver);
        Ok(())
    }

    /// What the box is told where the host gives no socket: for ICMP, most likely since it allows none.
    fn no_socket(&self, flow: Flow, error: &io::Error) -> Why {
        match (flow.kind, error.kind()) {
            (Kind::Echo, _) => {
                self.report(flow, Refused { rule: "unsupported".into(), name: None });
                Why::Prohibited
            }
            (Kind::Udp, _) => unsent(error).unwrap_or(Why::Host),
        }
    }

    /// Receives one datagram. Returns `None` if there is none, and no frames if nobody in the box is to have it.
    fn receive(&self, socket: &HostSocket, port: Port) -> Option<Frames> {
        let mut room = self.room.lock().unwrap_or_else(PoisonError::into_inner);
        let (from, payload) = match socket.receive(&mut room) {
            Ok((from, Some(payload))) => (from, payload),
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => return None,
            Ok((_, None)) | Err(_) => return Some(Frames::new()),
        };
        let Some(flow) = self.held().table.answered(port, from) else { return Some(Frames::new()) };
        let writer = &self.context.writer;
        Some(match flow.kind {
            Kind::Udp => writer.udp(flow.to, flow.guest, payload),
            Kind::Echo => {
                let mut message = vec![if flow.guest.is_ipv4() { 0 } else { 129 }, 0, 0, 0];
                message.extend(payload);
                if let Some(ident) = message.get_mut(4..6) {
                    ident.copy_from_slice(&flow.guest.port().to_be_bytes());
                }
                writer.icmp(flow.to.ip(), flow.guest.ip(), message)
            }
        })
    }

    fn failed(&self, port: Port, error: &HostError) {
        let flow = self.held().table.flow_to(port, error.peer);
        if let Some(flow) = flow {
            self.context.errors.answer_flow(flow, error.why);
        }
    }
}

/// Passes on to the box what a socket receives, until it is closed.
async fn receive(shared: Arc<Shared>, socket: Arc<HostSocket>, port: Port) {
    while let Ok(ready) = socket.ready().await {
        if ready.is_error() {
            while let Some(error) = socket.take_error() {
                shared.failed(port, &error);
            }
        }
        while let Some(frames) = shared.receive(&socket, port) {
            if !shared.context.writer.send(frames).await {
                return;
            }
            // Others on this thread have their turn, even where the socket always has something.
            tokio::task::coop::consume_budget().await;
        }
    }
}

/// Begins the flows that wait, from a time on, until there are none.
async fn begin(shared: Arc<Shared>, from: Instant) {
    let mut next = Some(from);
    while let Some(then) = next {
        sleep_until(then.into()).await;
        next = shared.begin();
    }
}

/// Looks for flows that have ended, until there are none.
async fn watch(shared: Arc<Shared>) {
    loop {
        sleep(shared.context.lives.look).await;
        let mut held = shared.held();
        if !held.table.expire(&shared.context.lives, Instant::now()) {
            held.watched = false;
            return;
        }
    }
}

/// What an error of sending means; `None` if the datagram is lost like others.
fn unsent(error: &io::Error) -> Option<Why> {
    match error.kind() {
        io::ErrorKind::ConnectionRefused => Some(Why::Port),
        io::ErrorKind::HostUnreachable => Some(Why::Host),
        io::ErrorKind::NetworkUnreachable
        | io::ErrorKind::NetworkDown
        | io::ErrorKind::AddrNotAvailable
        | io::ErrorKind::Unsupported => Some(Why::Network),
        io::ErrorKind::PermissionDenied => Some(Why::Prohibited),
        // The system keeps the size that fits, which the receiver is told.
        _ => None,
    }
}
