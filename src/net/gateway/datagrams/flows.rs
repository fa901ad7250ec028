//! The flows of datagrams between the box and the world: network address translation for UDP and ICMP echo. Called by `handler`.
//!
//! One socket of the host serves all flows of one port of the box, so that every peer sees the same outer port (endpoint-independent
//! mapping, RFC 4787): what STUN tells a program holds for its other peers, which games and calls need. Only peers that the box has sent to,
//! and that the policy allows, get through to it.

use std::{
    collections::{
        HashMap,
        hash_map::{Entry, RandomState},
    },
    fmt,
    hash::BuildHasher,
    io,
    net::SocketAddr,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use boxlite_spec::network::control::Refusal;
use tokio::{
    task::AbortHandle,
    time::{sleep, sleep_until},
};

use super::{
    super::limits::{NoSlot, Slot, Slots},
    errors::{Errors, Why},
    flow::{Flow, Kind},
    sockets::{HostError, HostSocket, RECEIVED_MAX},
    waiting::Waiting,
    writer::{Frames, Writer},
};
use crate::{
    backend::Reports,
    decision::{Decide, Decision, Destination, Refused},
};

const DNS: u16 = 53;
/// Ports of name services that ask a group of hosts: mDNS (RFC 6762) and LLMNR (RFC 4795).
const GROUP_NAMES: [u16; 2] = [5353, 5355];

/// How many flows there may be, and for how long.
#[derive(Debug, Clone, Copy)]
pub(super) struct Lives {
    /// Most flows at one time. The least recently used are given up for others.
    pub(super) most: usize,
    /// Most idents of ICMP echo at one time.
    pub(super) most_echoes: usize,
    /// How long a flow may be idle.
    pub(super) idle: Duration,
    /// How long a flow to a name server may be idle after its answer. Resolvers take a port for each query.
    pub(super) answered: Duration,
    /// How often it is looked for flows that have ended.
    pub(super) look: Duration,
    /// How long a flow may wait for its beginning.
    pub(super) wait: Duration,
}

impl Default for Lives {
    fn default() -> Self {
        Self {
            most: 4096,
            most_echoes: 64,
            idle: Duration::from_mins(1),
            answered: Duration::from_secs(5),
            look: Duration::from_secs(1),
            wait: Duration::from_secs(30),
        }
    }
}

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
    table: Mutex<Table>,
    /// Where datagrams are received, by one task at a time.
    room: Mutex<Box<[u8]>>,
}

#[derive(Debug, Default)]
struct Table {
    flows: HashMap<Flow, State>,
    sockets: HashMap<Port, Mapping>,
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

struct State {
    /// Where the host's socket sends to.
    dial: SocketAddr,
    port: Port,
    used: Instant,
    answered: bool,
    _slot: Slot,
}

impl fmt::Debug for State {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("State").field("dial", &self.dial).finish_non_exhaustive()
    }
}

/// A port of the box, on one family of the host's addresses.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
struct Port {
    kind: Kind,
    guest: SocketAddr,
    v6: bool,
}

#[derive(Debug)]
struct Mapping {
    socket: Arc<HostSocket>,
    /// Peer of the socket → the same peer as the box addressed it.
    peers: HashMap<SocketAddr, SocketAddr>,
    flows: usize,
    receiver: AbortHandle,
}

impl Drop for Mapping {
    fn drop(&mut self) {
        self.receiver.abort();
    }
}

impl Flows {
    /// No flows yet.
    pub(super) fn new(context: Context) -> Self {
        let room = Mutex::new(vec![0; RECEIVED_MAX].into_boxed_slice());
        Self(Arc::new(Shared { context, table: Mutex::default(), room }))
    }

    /// Passes a datagram on: the payload of UDP, or an echo message from its ident on. `packet` is what an ICMP error quotes. Returns whether
    /// the datagram was sent, refused or answered, or waits; if not, it is lost.
    pub(super) fn send(&self, flow: Flow, payload: &[u8], packet: &[u8]) -> bool {
        let shared = &self.0;
        let mut table = shared.table();
        let (socket, dial) = match table.touch(flow) {
            Some(found) => found,
            None => match shared.open_or_wait(&mut table, flow, payload) {
                Ok(Some(found)) => found,
                Ok(None) => return true,
                Err(why) => {
                    shared.context.errors.answer(packet, why);
                    return true;
                }
            },
        };
        drop(table);
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
        let mut table = self.0.table();
        let refused = |flow: &&Flow| self.0.decide(**flow).is_err();
        for flow in table.flows.keys().filter(refused).copied().collect::<Vec<_>>() {
            table.remove(flow);
        }
    }

    #[cfg(test)]
    pub(super) fn open(&self) -> (usize, usize) {
        let table = self.0.table();
        (table.flows.len(), table.sockets.len())
    }
}

impl Drop for Flows {
    fn drop(&mut self) {
        // The tasks hold the table too.
        let mut table = self.0.table();
        table.flows.clear();
        table.sockets.clear();
        table.waiting = Waiting::default();
    }
}

impl Shared {
    fn table(&self) -> MutexGuard<'_, Table> {
        self.table.lock().unwrap_or_else(PoisonError::into_inner)
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
        table: &mut Table,
        flow: Flow,
        payload: &[u8],
    ) -> Result<Option<(Arc<HostSocket>, SocketAddr)>, Why> {
        let now = Instant::now();
        let then = if table.waiting.holds(flow) {
            None
        } else {
            match self.open(table, flow, now) {
                Ok(found) => return Ok(Some(found)),
                Err(Shut::Told(why)) => return Err(why),
                Err(Shut::Until(then)) => Some(then),
            }
        };
        let waited = table.waiting.first().is_some();
        if !table.waiting.add(flow, payload, now) {
            return Err(self.full(flow));
        }
        if let Some(then) = then.filter(|_| !waited) {
            tokio::spawn(begin(Arc::clone(self), then));
        }
        Ok(None)
    }

    /// Begins the flows that wait, in their order. Returns when the next one may begin, `None` if none waits any more.
    fn begin(self: &Arc<Self>) -> Option<Instant> {
        let (mut table, now) = (self.table(), Instant::now());
        while let Some((flow, since)) = table.waiting.first() {
            let opened = if now.saturating_duration_since(since) > self.context.lives.wait {
                Err(Shut::Told(self.full(flow)))
            } else {
                self.open(&mut table, flow, now)
            };
            match opened {
                Ok((socket, dial)) => {
                    for payload in table.waiting.take_first() {
                        if let Err(Some(why)) = socket.send(&payload, dial).map_err(|error| unsent(&error)) {
                            self.context.errors.answer_flow(flow, why);
                        }
                    }
                }
                Err(Shut::Told(why)) => {
                    table.waiting.take_first();
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
        table: &mut Table,
        flow: Flow,
        now: Instant,
    ) -> Result<(Arc<HostSocket>, SocketAddr), Shut> {
        let dial = self.decide(flow).map_err(|refused| {
            self.report(flow, refused);
            Shut::Told(Why::Prohibited)
        })?;
        let lives = self.context.lives;
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
        if table.flows.len() >= lives.most {
            table.give_up(|_| true);
        }
        // The socket of an echo has no port, whatever the policy writes.
        let dial = if flow.kind == Kind::Echo { SocketAddr::new(dial.ip(), 0) } else { dial };
        let port = Port { kind: flow.kind, guest: flow.guest, v6: dial.is_ipv6() };
        let socket = self.socket(table, port).map_err(|error| Shut::Told(self.no_socket(flow, &error)))?;
        let Some(mapping) = table.sockets.get_mut(&port) else { return Err(Shut::Told(Why::Host)) };
        mapping.peers.insert(dial, flow.to);
        mapping.flows += 1;
        table.flows.insert(flow, State { dial, port, used: now, answered: false, _slot: slot });
        if !table.watched {
            table.watched = true;
            tokio::spawn(watch(Arc::clone(self)));
        }
        Ok((socket, dial))
    }

    /// Finds or opens the socket of a port.
    fn socket(self: &Arc<Self>, table: &mut Table, port: Port) -> io::Result<Arc<HostSocket>> {
        if let Some(mapping) = table.sockets.get(&port) {
            return Ok(Arc::clone(&mapping.socket));
        }
        let is_echo = |flow: &Flow| flow.kind == Kind::Echo;
        let echoes = table.sockets.keys().filter(|port| port.kind == Kind::Echo);
        if port.kind == Kind::Echo && echoes.count() >= self.context.lives.most_echoes {
            table.give_up(is_echo);
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
        let mapping = Mapping { socket: Arc::clone(&socket), peers: HashMap::new(), flows: 0, receiver };
        table.sockets.insert(port, mapping);
        Ok(socket)
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
        let Some(flow) = self.table().answered(port, from) else { return Some(Frames::new()) };
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
        let to = self.table().sockets.get(&port).and_then(|mapping| mapping.peers.get(&error.peer).copied());
        if let Some(to) = to {
            self.context.errors.answer_flow(Flow { kind: port.kind, guest: port.guest, to }, error.why);
        }
    }
}

impl Table {
    /// Notes that the box uses a flow. Returns its socket and where that sends to.
    fn touch(&mut self, flow: Flow) -> Option<(Arc<HostSocket>, SocketAddr)> {
        let state = self.flows.get_mut(&flow)?;
        (state.used, state.answered) = (Instant::now(), false);
        let mapping = self.sockets.get(&state.port)?;
        Some((Arc::clone(&mapping.socket), state.dial))
    }

    /// Finds the flow of a datagram from a peer, and notes it.
    fn answered(&mut self, port: Port, from: SocketAddr) -> Option<Flow> {
        let to = *self.sockets.get(&port)?.peers.get(&from)?;
        let flow = Flow { kind: port.kind, guest: port.guest, to };
        let state = self.flows.get_mut(&flow)?;
        (state.used, state.answered) = (Instant::now(), true);
        Some(flow)
    }

    fn remove(&mut self, flow: Flow) {
        let Some(State { dial, port, .. }) = self.flows.remove(&flow) else { return };
        let Entry::Occupied(mut entry) = self.sockets.entry(port) else { return };
        let mapping = entry.get_mut();
        mapping.flows -= 1;
        if mapping.peers.get(&dial) == Some(&flow.to) {
            mapping.peers.remove(&dial);
        }
        if mapping.flows == 0 {
            entry.remove();
        }
    }

    /// Gives up the least recently used of some flows: one in 64 at once, since it takes a look at all of them.
    fn give_up(&mut self, some: impl Fn(&Flow) -> bool) {
        let mut flows: Vec<_> = self
            .flows
            .iter()
            .filter(|(flow, _)| some(flow))
            .map(|(flow, state)| (state.used, *flow))
            .collect();
        if flows.is_empty() {
            return;
        }
        let count = flows.len() / 64 + 1;
        flows.select_nth_unstable_by_key(count - 1, |(used, _)| *used);
        for (_, flow) in &flows[..count] {
            self.remove(*flow);
        }
    }

    /// Removes the flows that have been idle for too long. Returns whether any are left.
    fn expire(&mut self, lives: &Lives, now: Instant) -> bool {
        let ended = |(flow, state): (&Flow, &State)| {
            let dns = flow.kind == Kind::Udp && flow.to.port() == DNS;
            let life = if dns && state.answered { lives.answered } else { lives.idle };
            (now.saturating_duration_since(state.used) >= life).then_some(*flow)
        };
        for flow in self.flows.iter().filter_map(ended).collect::<Vec<_>>() {
            self.remove(flow);
        }
        !self.flows.is_empty()
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
        let mut table = shared.table();
        if !table.expire(&shared.context.lives, Instant::now()) {
            table.watched = false;
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
