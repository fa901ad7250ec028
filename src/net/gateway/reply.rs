//! The answers to a TCP segment that no connection takes: a reset, or an ICMP message that says why its destination can't be reached.
//! Called by `tcp`; datagrams use [`unreachable()`] too.

use std::net::IpAddr;

use boxlite_spec::network::LinkSpec;

use super::{
    checksum,
    frame::{self, ETHERNET, GATEWAY_MAC, Segment},
    outgoing::Outgoing,
};

const TCP: u8 = 6;
const ICMP: u8 = 1;
const ICMPV6: u8 = 58;
const HOP_LIMIT: u8 = 64;

/// Why a destination can't be reached.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Unreachable {
    /// There is no route.
    Network,
    /// The host does not answer.
    Host,
    /// It is not allowed.
    Prohibited,
}

impl Unreachable {
    /// The code of ICMP's type 3 (RFC 792, RFC 1812).
    const fn v4(self) -> u8 {
        match self {
            Self::Network => 0,
            Self::Host => 1,
            Self::Prohibited => 13,
        }
    }

    /// The code of `ICMPv6`'s type 1 (RFC 4443).
    const fn v6(self) -> u8 {
        match self {
            Self::Network => 0,
            Self::Prohibited => 1,
            Self::Host => 3,
        }
    }
}

/// Writes the Ethernet header of a frame to the box, and returns what comes after it.
pub(crate) fn ethernet<'f>(frame: &'f mut [u8], link: &LinkSpec, ethertype: [u8; 2]) -> &'f mut [u8] {
    frame[..6].copy_from_slice(&link.mac);
    frame[6..12].copy_from_slice(&GATEWAY_MAC);
    frame[12..ETHERNET].copy_from_slice(&ethertype);
    &mut frame[ETHERNET..]
}

/// Writes an IP header for a message of `length` bytes, and returns where the message goes.
pub(crate) fn ip(packet: &mut [u8], from: IpAddr, to: IpAddr, protocol: u8, length: u16) -> &mut [u8] {
    match (from, to) {
        (IpAddr::V4(from), IpAddr::V4(to)) => {
            packet[..20].fill(0);
            packet[0] = 0x45;
            packet[2..4].copy_from_slice(&(20 + length).to_be_bytes());
            packet[6] = 0x40;
            packet[8] = HOP_LIMIT;
            packet[9] = protocol;
            packet[12..16].copy_from_slice(&from.octets());
            packet[16..20].copy_from_slice(&to.octets());
            let sum = checksum::of(&packet[..20]);
            packet[10..12].copy_from_slice(&sum);
            &mut packet[20..]
        }
        (IpAddr::V6(from), IpAddr::V6(to)) => {
            packet[..40].fill(0);
            packet[0] = 0x60;
            packet[4..6].copy_from_slice(&length.to_be_bytes());
            packet[6] = protocol;
            packet[7] = HOP_LIMIT;
            packet[8..24].copy_from_slice(&from.octets());
            packet[24..40].copy_from_slice(&to.octets());
            &mut packet[40..]
        }
        _ => packet,
    }
}

const fn ip_header(address: IpAddr) -> (usize, [u8; 2]) {
    match address {
        IpAddr::V4(_) => (20, frame::IPV4),
        IpAddr::V6(_) => (40, frame::IPV6),
    }
}

/// Answers a segment with a reset (RFC 9293, 3.10.7.1). A reset itself is not answered.
pub(crate) fn reset(segment: &Segment<'_>, link: &LinkSpec, out: &mut Outgoing) {
    const LENGTH: u16 = 20;
    if segment.flags & frame::RST != 0 {
        return;
    }
    let (from, to) = (segment.flow.to.ip(), segment.from);
    let (header, ethertype) = ip_header(from);
    let Some(frame) = out.push(ETHERNET + header + usize::from(LENGTH)) else { return };
    let packet = ethernet(frame, link, ethertype);
    let tcp = ip(packet, from, to, TCP, LENGTH);
    tcp.fill(0);
    tcp[..2].copy_from_slice(&segment.flow.to.port().to_be_bytes());
    tcp[2..4].copy_from_slice(&segment.flow.port.to_be_bytes());
    tcp[12] = 5 << 4;
    if segment.flags & frame::ACK == 0 {
        tcp[8..12].copy_from_slice(&segment.sequence.wrapping_add(segment.length).to_be_bytes());
        tcp[13] = frame::RST | frame::ACK;
    } else {
        tcp[4..8].copy_from_slice(&segment.acknowledged.to_be_bytes());
        tcp[13] = frame::RST;
    }
    let sum = checksum::with_addresses(from, to, TCP, tcp);
    tcp[16..18].copy_from_slice(&sum);
}

/// Answers an IP packet with an ICMP message from the gateway that its destination can't be reached. Packets that are too short to be
/// answered, and IPv6 packets on a link without IPv6, are not.
pub(crate) fn unreachable(packet: &[u8], why: Unreachable, link: &LinkSpec, out: &mut Outgoing) {
    let Some(version) = packet.first().map(|first| first >> 4) else { return };
    let (from, to, protocol, quoted): (IpAddr, IpAddr, _, _) = match (version, link.v6) {
        // As much as fits into the smallest MTU that every host has (RFC 1812, 4.3.2.3; RFC 4443, 2.4).
        (4, _) if packet.len() >= 20 => {
            (link.v4.gateway.into(), link.v4.guest.into(), ICMP, packet.len().min(548))
        }
        (6, Some(v6)) if packet.len() >= 40 => {
            (v6.gateway.into(), v6.guest.into(), ICMPV6, packet.len().min(1232))
        }
        _ => return,
    };
    let (header, ethertype) = ip_header(from);
    let length = 8 + quoted;
    let Some(frame) = out.push(ETHERNET + header + length) else { return };
    let bytes = ethernet(frame, link, ethertype);
    let icmp = ip(bytes, from, to, protocol, u16::try_from(length).unwrap_or(0));
    icmp[..8].fill(0);
    icmp[8..].copy_from_slice(&packet[..quoted]);
    let sum = if protocol == ICMP {
        (icmp[0], icmp[1]) = (3, why.v4());
        checksum::of(icmp)
    } else {
        (icmp[0], icmp[1]) = (1, why.v6());
        checksum::with_addresses(from, to, protocol, icmp)
    };
    icmp[2..4].copy_from_slice(&sum);
}
