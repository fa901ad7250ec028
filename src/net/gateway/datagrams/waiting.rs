//! Datagrams that begin a flow when the box has opened as many connections as it may in a second: they wait, as the SYNs of TCP do. Held
//! by `flows`.

use std::{
    collections::{HashMap, VecDeque},
    time::Instant,
};

use super::flow::Flow;

/// Most bytes of all that waits.
const BYTES_MAX: usize = 1 << 20;
/// What a datagram costs beside its payload.
const OVERHEAD: usize = 128;

/// Flows that wait for their beginning, in their order.
#[derive(Debug, Default)]
pub(super) struct Waiting {
    order: VecDeque<(Flow, Instant)>,
    payloads: HashMap<Flow, Vec<Vec<u8>>>,
    bytes: usize,
}

impl Waiting {
    /// Whether a flow waits, so that its next datagram has to.
    pub(super) fn holds(&self, flow: Flow) -> bool {
        self.payloads.contains_key(&flow)
    }

    /// Adds a datagram. Returns false if there is no room.
    pub(super) fn add(&mut self, flow: Flow, payload: &[u8], now: Instant) -> bool {
        let cost = payload.len() + OVERHEAD;
        if self.bytes + cost > BYTES_MAX {
            return false;
        }
        self.bytes += cost;
        self.payloads
            .entry(flow)
            .or_insert_with(|| {
                self.order.push_back((flow, now));
                Vec::new()
            })
            .push(payload.to_vec());
        true
    }

    /// The flow that has waited longest, and since when.
    pub(super) fn first(&self) -> Option<(Flow, Instant)> {
        self.order.front().copied()
    }

    /// Takes that flow out. Returns the payloads of its datagrams.
    pub(super) fn take_first(&mut self) -> Vec<Vec<u8>> {
        let flow = self.order.pop_front().map(|(flow, _)| flow);
        let payloads = flow.and_then(|flow| self.payloads.remove(&flow)).unwrap_or_default();
        self.bytes -= payloads.iter().map(|payload| payload.len() + OVERHEAD).sum::<usize>();
        payloads
    }
}

#[cfg(test)]
mod tests {
    use super::{super::flow::Kind, *};

    fn flow(port: u16) -> Flow {
        Flow { kind: Kind::Udp, guest: ([10, 0, 0, 2], port).into(), to: ([203, 0, 113, 7], 9).into() }
    }

    #[test]
    fn flows_leave_in_their_order_with_all_their_datagrams() {
        let (mut waiting, now) = (Waiting::default(), Instant::now());
        for (port, payload) in [(1, "a"), (2, "b"), (1, "c")] {
            assert!(waiting.add(flow(port), payload.as_bytes(), now));
        }
        assert!(waiting.holds(flow(2)) && !waiting.holds(flow(3)));
        assert_eq!(waiting.first(), Some((flow(1), now)));
        assert_eq!(waiting.take_first(), [b"a", b"c"]);
        assert_eq!(waiting.take_first(), [b"b"]);
        assert_eq!((waiting.first(), waiting.bytes), (None, 0));
        assert!(waiting.take_first().is_empty());
    }

    #[test]
    fn what_waits_is_bounded() {
        let (mut waiting, now) = (Waiting::default(), Instant::now());
        let taken = (0..=u16::MAX).filter(|port| waiting.add(flow(*port), b"", now)).count();
        assert_eq!(taken, BYTES_MAX / OVERHEAD);
        assert!(!waiting.add(flow(0), &[0; 1000], now));
        waiting.take_first();
        assert!(waiting.add(flow(0), b"", now));
    }
}
