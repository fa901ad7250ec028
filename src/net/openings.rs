//! `Openings`: tells the frames that open a connection of the box from those that belong to one, so that each is counted once. A SYN may
//! be sent again, and a flow of datagrams has no beginning of its own. Asked by the [packet filter](crate::packet_filter).

use std::{
    num::NonZeroUsize,
    time::{Duration, Instant},
};

use lru::LruCache;

use crate::decision::Destination;

/// Most connections that are remembered. The one that was used longest ago is forgotten.
const MOST: NonZeroUsize = NonZeroUsize::new(4096).unwrap();
/// The silence after which datagrams are a new flow: that of the gateway.
const SILENCE: Duration = Duration::from_mins(1);

/// The box's end, which is a port or the number of an echo, and the other end.
type Flow = (u16, Destination);

/// What a box has opened lately.
#[derive(Debug)]
pub(crate) struct Openings {
    /// The number of the SYN of each.
    connections: LruCache<Flow, u32>,
    /// When each was used last.
    datagrams: LruCache<Flow, Instant>,
}

impl Default for Openings {
    fn default() -> Self {
        Self { connections: LruCache::new(MOST), datagrams: LruCache::new(MOST) }
    }
}

impl Openings {
    /// Whether a SYN with this number opens a connection, and is not sent again.
    pub(crate) fn connection(&mut self, from: u16, to: Destination, sequence: u32) -> bool {
        self.connections.put((from, to), sequence) != Some(sequence)
    }

    /// Whether a datagram begins a flow.
    pub(crate) fn datagram(&mut self, from: u16, to: Destination, now: Instant) -> bool {
        let last = self.datagrams.put((from, to), now);
        last.is_none_or(|last| now.duration_since(last) > SILENCE)
    }
}

#[cfg(test)]
mod tests {
    use boxlite_spec::network::rule::Protocol;

    use super::*;

    const TO: Destination = Destination {
        protocol: Protocol::Tcp,
        address: std::net::IpAddr::V4(std::net::Ipv4Addr::LOCALHOST),
        port: 80,
    };

    #[test]
    fn a_syn_that_is_sent_again_opens_nothing() {
        let mut openings = Openings::default();
        assert!(openings.connection(5000, TO, 7));
        assert!(!openings.connection(5000, TO, 7));
        assert!(openings.connection(5001, TO, 7), "another port");
        assert!(openings.connection(5000, TO, 8), "the port is used again");
        assert!(openings.connection(5000, Destination { port: 81, ..TO }, 8), "another destination");
    }

    #[test]
    fn datagrams_are_one_flow_until_they_have_been_silent() {
        let (mut openings, began) = (Openings::default(), Instant::now());
        assert!(openings.datagram(5000, TO, began));
        assert!(!openings.datagram(5000, TO, began + SILENCE));
        assert!(!openings.datagram(5000, TO, began + 2 * SILENCE), "it was used in between");
        assert!(openings.datagram(5000, TO, began + 4 * SILENCE));
    }

    #[test]
    fn memory_is_bounded() {
        let (mut openings, now) = (Openings::default(), Instant::now());
        for port in 0..20_000 {
            openings.connection(port, TO, 1);
            openings.datagram(port, TO, now);
        }
        assert_eq!((openings.connections.len(), openings.datagrams.len()), (MOST.get(), MOST.get()));
    }
}
