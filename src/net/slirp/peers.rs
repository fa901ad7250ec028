//! `Peers`: to whom the box has sent datagrams, and who may therefore send it some. libslirp itself would pass on whatever reaches its
//! socket from anywhere. Asked by `stack` about each frame to the box; told by `run`.

use std::{net::IpAddr, num::NonZeroUsize};

use lru::LruCache;

use crate::gateway::{
    datagrams::packet::{self, Packet, UDP},
    frame::{self, ETHERNET},
};

/// Most peers that are remembered; the one that was used longest ago is forgotten.
const MOST: NonZeroUsize = NonZeroUsize::new(4096).unwrap();

/// The box's port, and the peer's address and port.
type Flow = (u16, IpAddr, u16);

/// The peers of a box.
#[derive(Debug)]
pub(super) struct Peers(LruCache<Flow, ()>);

impl Default for Peers {
    fn default() -> Self {
        Self(LruCache::new(MOST))
    }
}

impl Peers {
    /// Whether the box has sent to where this datagram of it goes; from now on it has. Anything else is known.
    pub(super) fn knows(&mut self, packet: &Packet<'_>, admits_new: bool) -> bool {
        let Some([from, to]) = ports(packet) else { return true };
        let flow = (from, packet.to, to);
        if self.0.get(&flow).is_some() {
            return true;
        }
        if admits_new {
            self.0.put(flow, ());
        }
        false
    }

    /// Whether the box may get this frame.
    pub(super) fn may_send(&mut self, frame: &[u8]) -> bool {
        if frame.get(12..ETHERNET) != Some(&frame::IPV4) {
            return true;
        }
        let Some(packet) = packet::v4(&frame[ETHERNET..]) else { return false };
        // Parts of a datagram are nothing without the first one, which has the ports.
        let Some([from, to]) = ports(&packet) else { return true };
        self.0.get(&(to, packet.from, from)).is_some()
    }

    /// Forgets everybody, since the policy has changed.
    pub(super) fn forget(&mut self) {
        self.0.clear();
    }
}

/// The ports of a datagram: its source and its destination.
fn ports(packet: &Packet<'_>) -> Option<[u16; 2]> {
    if packet.protocol != UDP || packet.part.is_some_and(|part| part.offset > 0) {
        return None;
    }
    let [a, b, c, d] = *packet.message.first_chunk()?;
    Some([u16::from_be_bytes([a, b]), u16::from_be_bytes([c, d])])
}
