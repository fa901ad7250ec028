//! `Gate`: what of the box's frames libslirp gets to see. It is C, and has had its share of errors in reading hostile packets, so it only gets those
//! that any honest machine sends: whole, of a length that is as they say, and without options of IP. Called by `run`; pure.

use std::{
    borrow::Cow,
    net::{IpAddr, Ipv4Addr},
    time::Instant,
};

use boxlite_spec::network::LinkSpec;
use smoltcp::wire::{ArpPacket, ArpRepr, EthernetAddress, TcpPacket, UdpPacket};

use crate::gateway::{
    datagrams::{
        dhcp,
        fragments::Fragments,
        packet::{self, ICMP, Packet, UDP},
    },
    frame::{self, ETHERNET},
    reply,
};

const TCP: u8 = 6;
const ECHO_REQUEST: [u8; 2] = [8, 0];
/// An echo message without data, and the header of a datagram.
const HEADER: usize = 8;
/// The first byte of an IPv4 header without options, and its length.
const NO_OPTIONS: u8 = 0x45;
const IP: usize = 20;
const ARP: usize = 28;
const TFTP: u16 = 69;

/// What a frame is.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Admitted<'f> {
    /// A frame about which the policy decides. It may have been put together from several.
    Frame(Cow<'f, [u8]>),
    /// An ARP packet of the box itself.
    Arp(&'f [u8]),
    /// The message of a DHCP client, which libslirp does not get either.
    Dhcp(&'f [u8]),
    /// A part of a datagram, which waits for the others.
    Part,
    /// Something that libslirp does not get.
    Nothing,
}

/// The gate of one box.
#[derive(Debug)]
pub(super) struct Gate {
    link: LinkSpec,
    fragments: Fragments,
}

impl Gate {
    /// The gate of the box on this link.
    pub(super) fn new(link: LinkSpec) -> Self {
        Self { link, fragments: Fragments::default() }
    }

    /// Reads a frame from the box.
    pub(super) fn admit<'f>(&mut self, frame: &'f [u8], now: Instant) -> Admitted<'f> {
        if frame.len() > ETHERNET + usize::from(self.link.mtu) {
            return Admitted::Nothing;
        }
        let Some((header, bytes)) = frame.split_first_chunk::<ETHERNET>() else { return Admitted::Nothing };
        if header[6..12] != self.link.mac {
            return Admitted::Nothing;
        }
        let admitted = match [header[12], header[13]] {
            frame::ARP => self.arp(bytes).then(|| &frame[..ETHERNET + ARP]).map(Admitted::Arp),
            frame::IPV4 => self.ipv4(header, frame, now),
            _ => None,
        };
        admitted.unwrap_or(Admitted::Nothing)
    }

    fn arp(&self, bytes: &[u8]) -> bool {
        let parsed = ArpPacket::new_checked(bytes).and_then(|packet| ArpRepr::parse(&packet));
        let Ok(ArpRepr::EthernetIpv4 { source_hardware_addr, source_protocol_addr, .. }) = parsed else {
            return false;
        };
        source_hardware_addr == EthernetAddress(self.link.mac)
            && (source_protocol_addr == self.link.v4.guest || source_protocol_addr.is_unspecified())
    }

    fn ipv4<'f>(&mut self, header: &[u8; ETHERNET], frame: &'f [u8], now: Instant) -> Option<Admitted<'f>> {
        let packet = packet::v4(frame.get(ETHERNET..)?).filter(|packet| packet.bytes[0] == NO_OPTIONS)?;
        // What the frame has after the packet is filling.
        let whole = &frame[..ETHERNET + packet.bytes.len()];
        if let Some(message) = self.dhcp(&packet) {
            return Some(Admitted::Dhcp(message));
        }
        if packet.from != IpAddr::V4(self.link.v4.guest) || !self.may_be_addressed(packet.to) {
            return None;
        }
        let Some(part) = packet.part else {
            let fits = is_well_formed(packet.protocol, packet.message) && !self.is_served(&packet);
            return fits.then_some(Admitted::Frame(Cow::Borrowed(whole)));
        };
        // An honest machine never divides TCP.
        if packet.protocol == TCP {
            return None;
        }
        let (Some(whole), _) = self.fragments.add(&packet, part, now) else { return Some(Admitted::Part) };
        let length = u16::try_from(whole.message.len()).ok().filter(|length| *length <= u16::MAX - 20)?;
        let mut frame = vec![0; ETHERNET + IP + whole.message.len()];
        frame[..ETHERNET].copy_from_slice(header);
        let room = reply::ip(&mut frame[ETHERNET..], packet.from, packet.to, packet.protocol, length);
        room.copy_from_slice(&whole.message);
        let fits = is_well_formed(packet.protocol, &whole.message)
            && packet::v4(&frame[ETHERNET..]).is_some_and(|packet| !self.is_served(&packet));
        fits.then_some(Admitted::Frame(Cow::Owned(frame)))
    }

    /// The message to the DHCP server, if it is one.
    fn dhcp<'f>(&self, packet: &Packet<'f>) -> Option<&'f [u8]> {
        let v4 = &self.link.v4;
        let to_server = packet.to == v4.gateway || packet.to == Ipv4Addr::BROADCAST;
        let from_box = packet.from == v4.guest || packet.from == Ipv4Addr::UNSPECIFIED;
        if packet.protocol != UDP || packet.part.is_some() || !to_server || !from_box {
            return None;
        }
        let datagram = UdpPacket::new_checked(packet.message).ok()?;
        let ports = (datagram.src_port(), datagram.dst_port());
        (ports == (dhcp::CLIENT, dhcp::SERVER)).then(|| datagram.payload())
    }

    /// Whether it is for a service of libslirp itself that a box does not have: its DHCP and TFTP.
    fn is_served(&self, packet: &Packet<'_>) -> bool {
        let port = packet.message.get(2..4).map(|port| u16::from_be_bytes([port[0], port[1]]));
        packet.protocol == UDP
            && packet.to == IpAddr::V4(self.link.v4.host)
            && matches!(port, Some(dhcp::SERVER | TFTP))
    }

    /// Whether an address may be that of another machine. Older versions of libslirp take every address on the link for the host's own.
    fn may_be_addressed(&self, to: IpAddr) -> bool {
        let IpAddr::V4(to) = to else { return false };
        let v4 = &self.link.v4;
        let differing = (to.to_bits() ^ v4.gateway.to_bits()).leading_zeros();
        if differing >= u32::from(v4.prefix) {
            return to == v4.gateway || to == v4.host;
        }
        !to.is_loopback() && !to.is_multicast() && !to.is_broadcast() && to.octets()[0] != 0
    }
}

/// Whether a message of a protocol that libslirp serves is as long as it says.
fn is_well_formed(protocol: u8, message: &[u8]) -> bool {
    match protocol {
        TCP => TcpPacket::new_checked(message).is_ok_and(|tcp| tcp.src_port() != 0 && tcp.dst_port() != 0),
        UDP => UdpPacket::new_checked(message)
            .is_ok_and(|udp| usize::from(udp.len()) == message.len() && udp.dst_port() != 0),
        ICMP => message.len() >= HEADER && message.starts_with(&ECHO_REQUEST),
        _ => false,
    }
}
