//! Reads the headers of a frame from the box: whose it is, and to which flow a TCP segment belongs. Called by the loop in `run.rs`; it
//! reads hostile bytes, so every length is checked.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use boxlite_spec::network::LinkSpec;

/// The gateway's own hardware address, the same for every box since each has a link of its own. It is locally administered.
pub const GATEWAY_MAC: [u8; 6] = [0x5a, 0x94, 0xef, 0xe4, 0x0c, 0xdd];

/// The length of an Ethernet header.
pub(crate) const ETHERNET: usize = 14;
/// The largest frame: an IP packet of 65 535 bytes.
pub(crate) const FRAME_MAX: usize = ETHERNET + 65_535;

/// Ethertypes.
pub(crate) const ARP: [u8; 2] = [0x08, 0x06];
/// Ethertypes.
pub(crate) const IPV4: [u8; 2] = [0x08, 0x00];
/// Ethertypes.
pub(crate) const IPV6: [u8; 2] = [0x86, 0xdd];

const TCP: u8 = 6;

/// What a frame is.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Frame<'f> {
    /// A TCP segment from the box's own address.
    Tcp(Segment<'f>),
    /// Something else from the box's own hardware address.
    Other,
    /// A frame from a foreign address, or one that is malformed.
    Dropped,
}

/// A TCP connection, as the box sees it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct Flow {
    /// The box's port.
    pub(crate) port: u16,
    /// The other end.
    pub(crate) to: SocketAddr,
}

/// A TCP segment.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Segment<'f> {
    /// Its connection.
    pub(crate) flow: Flow,
    /// Its source address.
    pub(crate) from: IpAddr,
    /// The flags, as in byte 13 of the header.
    pub(crate) flags: u8,
    /// The number of its first byte.
    pub(crate) sequence: u32,
    /// What it acknowledges, if [`ACK`] is set.
    pub(crate) acknowledged: u32,
    /// How many numbers it takes: its bytes, its SYN and its FIN.
    pub(crate) length: u32,
    /// The whole IP packet, without what the frame has after it.
    pub(crate) packet: &'f [u8],
}

/// Most bytes of data in a SYN, which is kept until its other end has been dialled: what an ordinary packet holds.
const SYN_DATA_MAX: usize = 1500;

/// Flag of a TCP segment.
pub(crate) const FIN: u8 = 1;
/// Flag of a TCP segment.
pub(crate) const SYN: u8 = 2;
/// Flag of a TCP segment.
pub(crate) const RST: u8 = 4;
/// Flag of a TCP segment.
pub(crate) const ACK: u8 = 16;

impl Segment<'_> {
    /// Whether it opens a connection.
    pub(crate) fn opens(&self) -> bool {
        self.flags & (SYN | ACK | RST | FIN) == SYN
    }
}

/// Reads the headers of a frame to the gateway.
pub(crate) fn read<'f>(frame: &'f [u8], link: &LinkSpec) -> Frame<'f> {
    read_to(frame, link, |address| address == GATEWAY_MAC)
}

/// Reads the headers of a frame. TCP to a hardware address that is not `ours` is dropped.
pub(crate) fn read_to<'f>(frame: &'f [u8], link: &LinkSpec, ours: impl Fn(&[u8]) -> bool) -> Frame<'f> {
    let Some((header, packet)) = frame.split_first_chunk::<ETHERNET>() else { return Frame::Dropped };
    if header[6..12] != link.mac || frame.len() > FRAME_MAX {
        return Frame::Dropped;
    }
    let to_us = ours(&header[..6]);
    let found = match [header[12], header[13]] {
        IPV4 => ipv4(packet),
        IPV6 => ipv6(packet),
        _ => return Frame::Other,
    };
    let segment = match found {
        Packet::Tcp { from, to, packet, message } => tcp(from, to, packet, message),
        Packet::Other => return Frame::Other,
        Packet::Malformed => None,
    };
    let own = |from| match from {
        IpAddr::V4(from) => from == link.v4.guest,
        IpAddr::V6(from) => link.v6.is_some_and(|v6| from == v6.guest),
    };
    match segment {
        Some(segment) if to_us && own(segment.from) => Frame::Tcp(segment),
        _ => Frame::Dropped,
    }
}

/// An IP packet.
enum Packet<'f> {
    Tcp { from: IpAddr, to: IpAddr, packet: &'f [u8], message: &'f [u8] },
    Other,
    Malformed,
}

fn ipv4(bytes: &[u8]) -> Packet<'_> {
    let Some(header) = bytes.first_chunk::<20>() else { return Packet::Malformed };
    if header[9] != TCP {
        return Packet::Other;
    }
    let length = usize::from(u16::from_be_bytes([header[2], header[3]]));
    let header_length = usize::from(header[0] & 15) * 4;
    // No TCP that we serve is fragmented: the box learns the segment's size from the SYN-ACK.
    let fragment = u16::from_be_bytes([header[6], header[7]]) & 0x3fff != 0;
    if header[0] >> 4 != 4 || header_length < 20 || length < header_length || fragment {
        return Packet::Malformed;
    }
    let Some(packet) = bytes.get(..length) else { return Packet::Malformed };
    let address =
        |at: usize| Ipv4Addr::new(header[at], header[at + 1], header[at + 2], header[at + 3]).into();
    Packet::Tcp { from: address(12), to: address(16), packet, message: &packet[header_length..] }
}

fn ipv6(bytes: &[u8]) -> Packet<'_> {
    let Some(header) = bytes.first_chunk::<40>() else { return Packet::Malformed };
    if header[6] != TCP {
        return Packet::Other;
    }
    let length = 40 + usize::from(u16::from_be_bytes([header[4], header[5]]));
    let Some(packet) = bytes.get(..length).filter(|_| header[0] >> 4 == 6) else { return Packet::Malformed };
    let address = |at: usize| {
        let octets: [u8; 16] = header[at..at + 16].try_into().unwrap_or_default();
        Ipv6Addr::from(octets).into()
    };
    Packet::Tcp { from: address(8), to: address(24), packet, message: &packet[40..] }
}

fn tcp<'f>(from: IpAddr, to: IpAddr, packet: &'f [u8], message: &'f [u8]) -> Option<Segment<'f>> {
    let header = message.first_chunk::<20>()?;
    let data = message.get(usize::from(header[12] >> 4) * 4..)?;
    let flags = header[13];
    let word = |at: usize| u32::from_be_bytes([header[at], header[at + 1], header[at + 2], header[at + 3]]);
    let (port, to_port) =
        (u16::from_be_bytes([header[0], header[1]]), u16::from_be_bytes([header[2], header[3]]));
    if header[12] >> 4 < 5 || port == 0 || to_port == 0 || to.is_unspecified() {
        return None;
    }
    if flags & SYN != 0 && data.len() > SYN_DATA_MAX {
        return None;
    }
    let extra = u32::from(flags & SYN != 0) + u32::from(flags & FIN != 0);
    Some(Segment {
        flow: Flow { port, to: SocketAddr::new(to, to_port) },
        from,
        flags,
        sequence: word(4),
        acknowledged: word(8),
        length: u32::try_from(data.len()).ok()? + extra,
        packet,
    })
}
