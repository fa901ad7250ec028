//! The SYNs that wait for a place, for the rate of new connections or for the host, in their order. Used by `tcp`.

use std::collections::{HashSet, VecDeque};

use super::syn::Syn;
use crate::gateway::frame::Flow;

/// Most of them. The box repeats those that find no room.
const MOST: usize = 4096;

/// A queue with one SYN for each connection.
#[derive(Debug, Default)]
pub(super) struct Waiting {
    syns: VecDeque<Syn>,
    flows: HashSet<Flow>,
}

impl Waiting {
    /// Whether a SYN of this connection waits.
    pub(super) fn contains(&self, flow: Flow) -> bool {
        self.flows.contains(&flow)
    }

    /// Whether none waits.
    pub(super) fn is_empty(&self) -> bool {
        self.syns.is_empty()
    }

    /// Adds one at the end, unless there is no room or one of its connection waits already.
    pub(super) fn push(&mut self, syn: Syn) {
        if self.syns.len() < MOST && self.flows.insert(syn.flow) {
            self.syns.push_back(syn);
        }
    }

    /// Puts one back that was taken and still has to wait.
    pub(super) fn put_back(&mut self, syn: Syn) {
        self.flows.insert(syn.flow);
        self.syns.push_front(syn);
    }

    /// Takes the first.
    pub(super) fn pop(&mut self) -> Option<Syn> {
        let syn = self.syns.pop_front()?;
        self.flows.remove(&syn.flow);
        Some(syn)
    }
}

#[cfg(test)]
mod tests {
    use std::{net::IpAddr, time::Instant};

    use super::*;
    use crate::gateway::frame::{SYN, Segment};

    fn syn(port: u16) -> Syn {
        let to = ([203, 0, 113, 7], 80).into();
        let from = IpAddr::from([10, 0, 0, 2]);
        let flow = Flow { port, to };
        let segment =
            Segment { flow, from, flags: SYN, sequence: 0, acknowledged: 0, length: 1, packet: &[] };
        Syn::new(&segment, Instant::now())
    }

    #[test]
    fn each_connection_waits_once_and_in_its_order() {
        let mut waiting = Waiting::default();
        for port in [1, 2, 1, 3] {
            waiting.push(syn(port));
        }
        let first = waiting.pop().unwrap();
        assert!(first.flow.port == 1 && !waiting.contains(first.flow));
        waiting.put_back(first);
        let order: Vec<_> = std::iter::from_fn(|| waiting.pop()).map(|syn| syn.flow.port).collect();
        assert!(order == [1, 2, 3] && waiting.is_empty());
    }

    #[test]
    fn their_number_is_bounded() {
        let mut waiting = Waiting::default();
        (0..u16::MAX).for_each(|port| waiting.push(syn(port)));
        assert_eq!(std::iter::from_fn(|| waiting.pop()).count(), MOST);
        assert!(waiting.flows.is_empty());
    }
}
