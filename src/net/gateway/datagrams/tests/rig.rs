//! A handler of datagrams with a guest in front of it, and what policy and name server are in the tests. Any address outside leads to
//! this machine's loopback.

use std::{
    collections::BTreeMap,
    fmt,
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr},
    sync::{Arc, Mutex},
    time::Duration,
};

use boxlite_spec::network::{LinkSpec, NetworkLimits, control::Refusal, rule::Policy};
use smoltcp::{
    phy::ChecksumCapabilities,
    wire::{Icmpv4Packet, Icmpv6Packet, IpProtocol, IpRepr, Ipv4Packet, Ipv6Packet, UdpPacket, UdpRepr},
};
use tokio::{net::UdpSocket, sync::broadcast, time::timeout};

use crate::{
    backend::Reports,
    decision::{Allowed, Decide, Decision, Destination, Refused},
    gateway::{
        datagrams::{DatagramContext, Datagrams, dhcp::Lease, handler::Handler, lives::Lives},
        frame::GATEWAY_MAC,
        limits::Slots,
        names::{Answer, NameServer},
        sender::{FrameReceiver, FrameSender},
    },
    sample::link,
};

pub(super) const GUEST_MAC: [u8; 6] = [0x5a, 0, 0, 0, 0, 1];
pub(super) const GUEST: Ipv4Addr = Ipv4Addr::new(10, 87, 0, 2);
pub(super) const GATEWAY: Ipv4Addr = Ipv4Addr::new(10, 87, 0, 1);
pub(super) const HOST: Ipv4Addr = Ipv4Addr::new(10, 87, 0, 254);
pub(super) const GUEST6: Ipv6Addr = Ipv6Addr::new(0xfd87, 0, 0, 0, 0, 0, 0, 2);
pub(super) const GATEWAY6: Ipv6Addr = Ipv6Addr::new(0xfd87, 0, 0, 0, 0, 0, 0, 1);
/// Addresses outside.
pub(super) const OUTSIDE: Ipv4Addr = Ipv4Addr::new(203, 0, 113, 7);
pub(super) const OUTSIDE6: Ipv6Addr = Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 7);

type Rule = Box<dyn Fn(Destination) -> Decision + Send>;

/// A policy that is a function.
pub(super) struct Says(Mutex<Rule>);

impl fmt::Debug for Says {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Says")
    }
}

impl Decide for Says {
    fn decide(&self, to: Destination) -> Decision {
        self.0.lock().unwrap()(to)
    }

    fn decide_named(&self, to: Destination, _: &str) -> Decision {
        self.decide(to)
    }

    fn set_policy(&self, _: &Policy) {}
}

/// Allows a destination, and leads to the loopback of its family.
pub(super) fn to_loopback(to: Destination) -> Decision {
    let dial: IpAddr =
        if to.address.is_ipv4() { Ipv4Addr::LOCALHOST.into() } else { Ipv6Addr::LOCALHOST.into() };
    Decision::Allowed(Allowed { dial: SocketAddr::new(dial, to.port), name: None, by_name: false })
}

pub(super) fn refused(_: Destination) -> Decision {
    Decision::Refused(Refused { rule: "default".into(), name: Some("example.com".into()) })
}

/// Answers with the query backwards.
#[derive(Debug)]
struct Backwards;

impl NameServer for Backwards {
    fn answer<'a>(&'a self, query: &'a [u8], over_tcp: bool) -> Answer<'a> {
        assert!(!over_tcp);
        Box::pin(async move { Some(query.iter().rev().copied().collect()) })
    }
}

/// What a test may choose.
pub(super) struct Choice {
    pub(super) v6: bool,
    pub(super) mtu: u16,
    pub(super) limits: NetworkLimits,
    pub(super) lives: Lives,
    pub(super) lease: Lease,
}

impl Default for Choice {
    fn default() -> Self {
        Self {
            v6: true,
            mtu: 1500,
            limits: NetworkLimits::default(),
            lives: Lives::default(),
            lease: Lease::default(),
        }
    }
}

pub(super) struct Rig {
    pub(super) handler: Handler,
    pub(super) reports: Reports,
    pub(super) refusals: broadcast::Receiver<Refusal>,
    frames: FrameReceiver,
    says: Arc<Says>,
    mtu: u16,
}

impl Rig {
    pub(super) fn new(choice: Choice) -> Self {
        let link =
            LinkSpec { mac: GUEST_MAC, mtu: choice.mtu, ..link([10, 87, 0], choice.v6.then_some(0xfd87)) };
        let reports = Reports::default();
        let refusals = reports.refusals.subscribe();
        let says = Arc::new(Says(Mutex::new(Box::new(to_loopback))));
        let (sender, frames) = FrameSender::new();
        let context = DatagramContext {
            link,
            gateway_mac: GATEWAY_MAC,
            frames: sender,
            decide: Arc::clone(&says) as Arc<dyn Decide>,
            names: Arc::new(Backwards),
            slots: Slots::new(&choice.limits, reports.clone()),
            reports: reports.clone(),
        };
        let handler = Handler::new(context, choice.lease, choice.lives);
        Self { handler, reports, refusals, frames, says, mtu: choice.mtu }
    }

    /// Replaces the policy, without telling the handler.
    pub(super) fn says(&self, rule: impl Fn(Destination) -> Decision + Send + 'static) {
        *self.says.0.lock().unwrap() = Box::new(rule);
    }

    pub(super) fn dropped(&self) -> u64 {
        self.reports.counters.read().dropped_packets
    }

    /// Sends an IP packet.
    pub(super) fn send(&mut self, packet: &[u8]) {
        self.handler.handle(&ethernet(packet));
    }

    /// Sends a datagram, in fragments if it is large.
    pub(super) fn udp(&mut self, port: u16, to: SocketAddr, payload: &[u8]) {
        for packet in divided(&udp(guest(port, to), to, payload), self.mtu) {
            self.send(&packet);
        }
    }

    /// The next packet to the guest.
    pub(super) async fn packet(&mut self) -> Option<Vec<u8>> {
        let frame = self.frame().await?;
        assert_eq!(frame[12..14], if frame[14] >> 4 == 4 { [8, 0] } else { [0x86, 0xdd] });
        Some(frame[14..].to_vec())
    }

    /// The next frame to the guest; `None` if none comes.
    pub(super) async fn frame(&mut self) -> Option<Vec<u8>> {
        let frame = timeout(Duration::from_secs(20), self.frames.recv()).await.ok()??;
        assert_eq!((&frame[..6], &frame[6..12]), (&GUEST_MAC[..], &GATEWAY_MAC[..]));
        assert!(frame.len() <= 14 + usize::from(self.mtu), "{} bytes", frame.len());
        Some(frame)
    }

    /// Whether nothing comes to the guest for a while.
    pub(super) async fn is_silent(&mut self) -> bool {
        timeout(Duration::from_millis(300), self.frames.recv()).await.is_err()
    }

    /// Whether a frame is there, which is taken.
    pub(super) fn sent(&mut self) -> bool {
        self.frames.try_recv().is_ok()
    }

    /// The next datagram to the guest, put together: its source, the guest's port, its payload.
    pub(super) async fn datagram(&mut self) -> Option<(SocketAddr, u16, Vec<u8>)> {
        let mut parts = BTreeMap::new();
        let mut length = None;
        loop {
            let packet = self.packet().await?;
            let (from, place, more, body) = part(&packet);
            length = length.or((!more).then_some(place + body.len()));
            parts.insert(place, body);
            let message: Vec<u8> = parts.values().flatten().copied().collect();
            if length != Some(message.len()) {
                continue;
            }
            let guest: IpAddr = if from.is_ipv4() { GUEST.into() } else { GUEST6.into() };
            let datagram = UdpPacket::new_checked(&message[..]).unwrap();
            assert!(datagram.verify_checksum(&from.into(), &guest.into()));
            let from = SocketAddr::new(from, datagram.src_port());
            return Some((from, datagram.dst_port(), datagram.payload().to_vec()));
        }
    }

    /// The next ICMP message to the guest: its source, its type and code, and what is after its checksum.
    pub(super) async fn icmp(&mut self) -> Option<(IpAddr, (u8, u8), Vec<u8>)> {
        let packet = self.packet().await?;
        let (from, _, _, message) = part(&packet);
        let proper = match from {
            IpAddr::V4(_) => Icmpv4Packet::new_checked(&message[..]).unwrap().verify_checksum(),
            IpAddr::V6(from) => {
                let to = Ipv6Packet::new_checked(&packet[..]).unwrap().dst_addr();
                Icmpv6Packet::new_checked(&message[..]).unwrap().verify_checksum(&from, &to)
            }
        };
        assert!(proper);
        Some((from, (message[0], message[1]), message[4..].to_vec()))
    }
}

/// A server on the loopback that sends every datagram back, for as long as the test's runtime lives.
pub(super) async fn echo_server(v6: bool) -> SocketAddr {
    let socket = server(v6).await;
    let address = socket.local_addr().unwrap();
    tokio::spawn(async move {
        let mut room = vec![0; 70_000];
        while let Ok((length, from)) = socket.recv_from(&mut room).await {
            socket.send_to(&room[..length], from).await.unwrap();
        }
    });
    address
}

pub(super) async fn server(v6: bool) -> UdpSocket {
    UdpSocket::bind(if v6 { "[::1]:0" } else { "127.0.0.1:0" }).await.unwrap()
}

/// The guest's end of a flow to an address.
pub(super) fn guest(port: u16, to: SocketAddr) -> SocketAddr {
    if to.is_ipv4() { (GUEST, port).into() } else { (GUEST6, port).into() }
}

/// A frame from the guest's hardware to the gateway's.
pub(super) fn ethernet(packet: &[u8]) -> Vec<u8> {
    let kind: [u8; 2] = if packet[0] >> 4 == 4 { [8, 0] } else { [0x86, 0xdd] };
    [&GATEWAY_MAC[..], &GUEST_MAC, &kind, packet].concat()
}

pub(super) fn ip(from: IpAddr, to: IpAddr, protocol: IpProtocol, message: &[u8]) -> Vec<u8> {
    let repr = IpRepr::new(from.into(), to.into(), protocol, message.len(), 64);
    let mut packet = vec![0; repr.buffer_len()];
    repr.emit(&mut packet[..], &ChecksumCapabilities::default());
    let header = repr.header_len();
    packet[header..].copy_from_slice(message);
    packet
}

pub(super) fn udp(from: SocketAddr, to: SocketAddr, payload: &[u8]) -> Vec<u8> {
    let repr = UdpRepr { src_port: from.port(), dst_port: to.port() };
    let mut message = vec![0; 8 + payload.len()];
    let mut datagram = UdpPacket::new_unchecked(&mut message[..]);
    let (from, to) = (from.ip(), to.ip());
    // The sum of a guest's driver is partial.
    let sums = ChecksumCapabilities::ignored();
    repr.emit(
        &mut datagram,
        &from.into(),
        &to.into(),
        payload.len(),
        |room| room.copy_from_slice(payload),
        &sums,
    );
    ip(from, to, IpProtocol::Udp, &message)
}

/// A packet as the fragments that a router would make of it.
pub(super) fn divided(packet: &[u8], mtu: u16) -> Vec<Vec<u8>> {
    let mtu = usize::from(mtu);
    if packet.len() <= mtu {
        return vec![packet.to_vec()];
    }
    let v4 = packet[0] >> 4 == 4;
    let (header, extra) = if v4 { (20, 0) } else { (40, 8) };
    let most = (mtu - header - extra) & !7;
    let chunks = packet[header..].chunks(most).enumerate();
    let last = (packet.len() - header).div_ceil(most) - 1;
    chunks.map(|(index, chunk)| fragment(&packet[..header], 7, index * most, index < last, chunk)).collect()
}

/// One fragment, with the header of the whole packet.
pub(super) fn fragment(header: &[u8], ident: u16, place: usize, more: bool, chunk: &[u8]) -> Vec<u8> {
    let mut packet = header.to_vec();
    if header[0] >> 4 == 6 {
        packet[6] = 44;
        packet[4..6].copy_from_slice(&u16::try_from(chunk.len() + 8).unwrap().to_be_bytes());
        let field = u16::try_from(place).unwrap() | u16::from(more);
        packet.extend([header[6], 0]);
        packet.extend(field.to_be_bytes());
        packet.extend(u32::from(ident).to_be_bytes());
        packet.extend(chunk);
        return packet;
    }
    packet.extend(chunk);
    let length = u16::try_from(packet.len()).unwrap();
    let mut ip = Ipv4Packet::new_unchecked(&mut packet[..]);
    ip.set_total_len(length);
    ip.set_ident(ident);
    ip.set_dont_frag(false);
    ip.set_more_frags(more);
    ip.set_frag_offset(u16::try_from(place).unwrap());
    ip.fill_checksum();
    packet
}

/// The source, the place, whether there are more, and the bytes of a packet to the guest, which may be a fragment.
fn part(packet: &[u8]) -> (IpAddr, usize, bool, Vec<u8>) {
    if packet[0] >> 4 == 4 {
        let ip = Ipv4Packet::new_checked(packet).unwrap();
        assert!(ip.verify_checksum());
        return (ip.src_addr().into(), ip.frag_offset().into(), ip.more_frags(), ip.payload().to_vec());
    }
    let ip = Ipv6Packet::new_checked(packet).unwrap();
    let from = ip.src_addr().into();
    let body = ip.payload();
    if ip.next_header() != IpProtocol::Ipv6Frag {
        return (from, 0, false, body.to_vec());
    }
    let field = u16::from_be_bytes([body[2], body[3]]);
    (from, (field & 0xfff8).into(), field & 1 != 0, body[8..].to_vec())
}
