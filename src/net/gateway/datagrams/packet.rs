//! Reads the headers of an IP packet from the box. Called by `handler` with hostile bytes, so every length is checked; what comes out says
//! nothing yet about whose packet it is.

use std::net::IpAddr;

use smoltcp::wire::{Ipv4Packet, Ipv6Packet};

/// Protocols of an IP packet.
pub(crate) const ICMP: u8 = 1;
/// Protocols of an IP packet.
pub(crate) const UDP: u8 = 17;
/// Protocols of an IP packet.
pub(crate) const ICMPV6: u8 = 58;

/// Most extension headers before the message of an IPv6 packet.
const EXTENSIONS_MAX: usize = 8;
const HOP_BY_HOP: u8 = 0;
const FRAGMENT: u8 = 44;
const DESTINATION_OPTIONS: u8 = 60;

/// An IP packet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Packet<'p> {
    /// Its source.
    pub(crate) from: IpAddr,
    /// Its destination.
    pub(crate) to: IpAddr,
    /// What it carries.
    pub(crate) protocol: u8,
    /// How many routers it may still pass.
    pub(crate) hops: u8,
    /// Whether no router may divide it.
    pub(crate) whole: bool,
    /// Which part of a larger packet it is, if it is one.
    pub(crate) part: Option<Part>,
    /// All of it, without what the frame has after it.
    pub(crate) bytes: &'p [u8],
    /// What is after its headers.
    pub(crate) message: &'p [u8],
}

/// A message that is malformed, or not from the box.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Malformed;

impl From<smoltcp::wire::Error> for Malformed {
    fn from(_: smoltcp::wire::Error) -> Self {
        Self
    }
}

/// A fragment's place.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Part {
    /// The number that all fragments of a packet have.
    pub(crate) ident: u32,
    /// Where its bytes go.
    pub(crate) offset: usize,
    /// Whether others come after it.
    pub(crate) more: bool,
}

/// Reads an IPv4 packet.
pub(crate) fn v4(bytes: &[u8]) -> Option<Packet<'_>> {
    let packet = Ipv4Packet::new_checked(bytes).ok()?;
    if packet.version() != 4 || packet.header_len() < 20 || !packet.verify_checksum() {
        return None;
    }
    let part =
        Part { ident: packet.ident().into(), offset: packet.frag_offset().into(), more: packet.more_frags() };
    Some(Packet {
        from: packet.src_addr().into(),
        to: packet.dst_addr().into(),
        protocol: packet.next_header().into(),
        hops: packet.hop_limit(),
        whole: packet.dont_frag(),
        part: (part.more || part.offset > 0).then_some(part),
        bytes: bytes.get(..packet.total_len().into())?,
        message: packet.payload(),
    })
}

/// Reads an IPv6 packet.
pub(crate) fn v6(bytes: &[u8]) -> Option<Packet<'_>> {
    let packet = Ipv6Packet::new_checked(bytes).ok()?;
    if packet.version() != 6 {
        return None;
    }
    let mut found = Packet {
        from: packet.src_addr().into(),
        to: packet.dst_addr().into(),
        protocol: packet.next_header().into(),
        hops: packet.hop_limit(),
        whole: true,
        part: None,
        bytes: bytes.get(..packet.total_len())?,
        message: packet.payload(),
    };
    for _ in 0..EXTENSIONS_MAX {
        match found.protocol {
            HOP_BY_HOP | DESTINATION_OPTIONS => {
                let [next, length] = *found.message.first_chunk()?;
                found.message = found.message.get((usize::from(length) + 1) * 8..)?;
                found.protocol = next;
            }
            FRAGMENT => {
                let [next, _, high, low, a, b, c, d] = *found.message.first_chunk()?;
                let field = u16::from_be_bytes([high, low]);
                let (offset, more) = (usize::from(field & 0xfff8), field & 1 != 0);
                found.part = Some(Part { ident: u32::from_be_bytes([a, b, c, d]), offset, more });
                (found.protocol, found.whole) = (next, false);
                found.message = found.message.get(8..)?;
                return Some(found);
            }
            _ => return Some(found),
        }
    }
    None
}
