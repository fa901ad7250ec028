//! Writes the frames to the box that carry a message, as fragments where it is larger than the link's MTU. Called by every part that
//! answers or passes on.

use std::{
    net::{IpAddr, SocketAddr},
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering::Relaxed},
    },
};

use boxlite_spec::network::LinkSpec;

use super::{
    super::{
        checksum,
        frame::{self, ETHERNET},
        reply,
        sender::FrameSender,
    },
    packet::{ICMP, ICMPV6, UDP},
};

const V4_HEADER: usize = 20;
const V6_HEADER: usize = 40;
const V6_FRAGMENT_HEADER: usize = 8;
const V6_FRAGMENT: u8 = 44;
const UDP_HEADER: usize = 8;

/// Writes to one link. Its copies share the numbers of fragmented packets.
#[derive(Debug, Clone)]
pub(super) struct Writer {
    link: Arc<LinkSpec>,
    frames: FrameSender,
    packets: Arc<AtomicU32>,
}

/// The frames that carry one message.
pub(super) type Frames = Vec<Vec<u8>>;

impl Writer {
    /// Writes to a link.
    pub(super) fn new(link: Arc<LinkSpec>, frames: FrameSender) -> Self {
        Self { link, frames, packets: Arc::default() }
    }

    /// Sends frames if there is room; what finds none is lost, as on any link.
    pub(super) fn try_send(&self, frames: Frames) {
        for frame in frames {
            if !self.frames.try_send(frame) {
                return;
            }
        }
    }

    /// Sends frames, and waits while the link is full. Returns whether the link is still there.
    pub(super) async fn send(&self, frames: Frames) -> bool {
        for frame in frames {
            if !self.frames.send(frame).await {
                return false;
            }
        }
        true
    }

    /// The frames of a UDP datagram. Both addresses are of one family.
    pub(super) fn udp(&self, from: SocketAddr, to: SocketAddr, payload: &[u8]) -> Frames {
        let Ok(length) = u16::try_from(UDP_HEADER + payload.len()) else { return Frames::new() };
        let mut message = Vec::with_capacity(length.into());
        message.extend(from.port().to_be_bytes());
        message.extend(to.port().to_be_bytes());
        message.extend(length.to_be_bytes());
        message.extend([0; 2]);
        message.extend(payload);
        let sum = match checksum::with_addresses(from.ip(), to.ip(), UDP, &message) {
            // Zero means that there is none.
            [0, 0] => [0xff; 2],
            sum => sum,
        };
        message[6..8].copy_from_slice(&sum);
        self.message(from.ip(), to.ip(), UDP, &message)
    }

    /// The frames of an ICMP message, whose checksum is put into it.
    pub(super) fn icmp(&self, from: IpAddr, to: IpAddr, mut message: Vec<u8>) -> Frames {
        let Some(place) = message.get_mut(2..4) else { return Frames::new() };
        place.fill(0);
        let (protocol, sum) = match from {
            IpAddr::V4(_) => (ICMP, checksum::of(&message)),
            IpAddr::V6(_) => (ICMPV6, checksum::with_addresses(from, to, ICMPV6, &message)),
        };
        message[2..4].copy_from_slice(&sum);
        self.message(from, to, protocol, &message)
    }

    /// The one frame of a message of neighbour discovery, which counts only if no router can have passed it on.
    pub(super) fn neighbour(&self, from: IpAddr, to: IpAddr, message: Vec<u8>) -> Frames {
        let mut frames = self.icmp(from, to, message);
        for frame in &mut frames {
            frame[ETHERNET + 7] = 255;
        }
        frames
    }

    /// The frame of an ARP message.
    pub(super) fn arp(&self, message: &[u8]) -> Frames {
        let mut frame = vec![0; ETHERNET + message.len()];
        reply::ethernet(&mut frame, &self.link, frame::ARP).copy_from_slice(message);
        vec![frame]
    }

    fn message(&self, from: IpAddr, to: IpAddr, protocol: u8, message: &[u8]) -> Frames {
        let mtu = usize::from(self.link.mtu);
        let header = if from.is_ipv4() { V4_HEADER } else { V6_HEADER };
        // What an IP packet of either version can't hold at all.
        if message.len() + if from.is_ipv4() { V4_HEADER } else { 0 } > usize::from(u16::MAX) {
            return Frames::new();
        }
        if header + message.len() <= mtu {
            let mut frame = self.frame(from, header + message.len());
            reply::ip(&mut frame[ETHERNET..], from, to, protocol, u16::try_from(message.len()).unwrap_or(0))
                .copy_from_slice(message);
            return vec![frame];
        }
        let ident = self.packets.fetch_add(1, Relaxed);
        let extra = if from.is_ipv4() { 0 } else { V6_FRAGMENT_HEADER };
        let most = (mtu.saturating_sub(header + extra) & !7).max(8);
        let last = message.len().saturating_sub(1) / most;
        let part = |(index, bytes): (usize, &[u8])| {
            let place = u16::try_from(index * most).unwrap_or(0);
            let mut frame = self.frame(from, header + extra + bytes.len());
            let length = u16::try_from(extra + bytes.len()).unwrap_or(0);
            let packet = &mut frame[ETHERNET..];
            if from.is_ipv4() {
                reply::ip(packet, from, to, protocol, length).copy_from_slice(bytes);
                v4_part(packet, ident, place, index < last);
            } else {
                let body = reply::ip(packet, from, to, V6_FRAGMENT, length);
                body[..2].copy_from_slice(&[protocol, 0]);
                body[2..4].copy_from_slice(&(place | u16::from(index < last)).to_be_bytes());
                body[4..8].copy_from_slice(&ident.to_be_bytes());
                body[V6_FRAGMENT_HEADER..].copy_from_slice(bytes);
            }
            frame
        };
        message.chunks(most).enumerate().map(part).collect()
    }

    fn frame(&self, from: IpAddr, packet: usize) -> Vec<u8> {
        let mut frame = vec![0; ETHERNET + packet];
        reply::ethernet(&mut frame, &self.link, if from.is_ipv4() { frame::IPV4 } else { frame::IPV6 });
        frame
    }
}

/// Makes a packet a fragment.
fn v4_part(packet: &mut [u8], ident: u32, place: u16, more: bool) {
    let [_, _, high, low] = ident.to_be_bytes();
    packet[4..6].copy_from_slice(&[high, low]);
    packet[6..8].copy_from_slice(&((place / 8) | if more { 0x2000 } else { 0 }).to_be_bytes());
    packet[10..12].fill(0);
    let sum = checksum::of(&packet[..V4_HEADER]);
    packet[10..12].copy_from_slice(&sum);
}
