//! The table of a box's flows and of the host's sockets that serve them: which flow a datagram belongs to, and which flows have ended or are
//! given up. It waits for nothing and asks nobody. Held by `flows`.

use std::{
    collections::{HashMap, hash_map::Entry},
    fmt,
    net::SocketAddr,
    sync::Arc,
    time::Instant,
};

use tokio::task::AbortHandle;

use super::{
    super::limits::Slot,
    flow::{Flow, Kind},
    lives::Lives,
    sockets::HostSocket,
};

const DNS: u16 = 53;

/// The flows of a box, and their sockets.
#[derive(Debug, Default)]
pub(super) struct Table {
    flows: HashMap<Flow, State>,
    sockets: HashMap<Port, Mapping>,
}

/// A port of the box, on one family of the host's addresses.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct Port {
    pub(super) kind: Kind,
    pub(super) guest: SocketAddr,
    pub(super) v6: bool,
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

impl Table {
    /// How many flows there are.
    pub(super) fn len(&self) -> usize {
        self.flows.len()
    }

    /// How many sockets there are of one kind.
    pub(super) fn sockets(&self, kind: Kind) -> usize {
        self.sockets.keys().filter(|port| port.kind == kind).count()
    }

    /// The socket of a port.
    pub(super) fn socket(&self, port: Port) -> Option<Arc<HostSocket>> {
        self.sockets.get(&port).map(|mapping| Arc::clone(&mapping.socket))
    }

    /// Adds the socket of a port, with the task that receives from it, which ends with the last flow of the port.
    pub(super) fn add_socket(&mut self, port: Port, socket: Arc<HostSocket>, receiver: AbortHandle) {
        self.sockets.insert(port, Mapping { socket, peers: HashMap::new(), flows: 0, receiver });
    }

    /// Adds a flow of a port that has a socket. Returns that, or `None` if there is none.
    pub(super) fn add(
        &mut self,
        flow: Flow,
        port: Port,
        dial: SocketAddr,
        slot: Slot,
        now: Instant,
    ) -> Option<Arc<HostSocket>> {
        let mapping = self.sockets.get_mut(&port)?;
        mapping.peers.insert(dial, flow.to);
        mapping.flows += 1;
        self.flows.insert(flow, State { dial, port, used: now, answered: false, _slot: slot });
        Some(Arc::clone(&mapping.socket))
    }

    /// Notes that the box uses a flow. Returns its socket and where that sends to.
    pub(super) fn touch(&mut self, flow: Flow) -> Option<(Arc<HostSocket>, SocketAddr)> {
        let state = self.flows.get_mut(&flow)?;
        (state.used, state.answered) = (Instant::now(), false);
        let mapping = self.sockets.get(&state.port)?;
        Some((Arc::clone(&mapping.socket), state.dial))
    }

    /// The flow of a port to a peer of its socket.
    pub(super) fn flow_to(&self, port: Port, peer: SocketAddr) -> Option<Flow> {
        let to = *self.sockets.get(&port)?.peers.get(&peer)?;
        Some(Flow { kind: port.kind, guest: port.guest, to })
    }

    /// Finds the flow of a datagram from a peer, and notes it.
    pub(super) fn answered(&mut self, port: Port, from: SocketAddr) -> Option<Flow> {
        let flow = self.flow_to(port, from)?;
        let state = self.flows.get_mut(&flow)?;
        (state.used, state.answered) = (Instant::now(), true);
        Some(flow)
    }

    /// Gives up the least recently used of some flows: one in 64 at once, since it takes a look at all of them.
    pub(super) fn give_up(&mut self, some: impl Fn(&Flow) -> bool) {
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
    pub(super) fn expire(&mut self, lives: &Lives, now: Instant) -> bool {
        self.remove_those(|flow, state| {
            let dns = flow.kind == Kind::Udp && flow.to.port() == DNS;
            let life = if dns && state.answered { lives.answered } else { lives.idle };
            now.saturating_duration_since(state.used) >= life
        });
        !self.flows.is_empty()
    }

    /// Removes the flows of which `ends` is true.
    pub(super) fn end(&mut self, ends: impl Fn(Flow) -> bool) {
        self.remove_those(|flow, _| ends(*flow));
    }

    /// Removes everything.
    pub(super) fn clear(&mut self) {
        self.flows.clear();
        self.sockets.clear();
    }

    fn remove_those(&mut self, ends: impl Fn(&Flow, &State) -> bool) {
        let ended = self.flows.iter().filter(|(flow, state)| ends(flow, state)).map(|(flow, _)| *flow);
        for flow in ended.collect::<Vec<_>>() {
            self.remove(flow);
        }
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

    #[cfg(test)]
    pub(super) fn open(&self) -> (usize, usize) {
        (self.flows.len(), self.sockets.len())
    }
}
