//! Hostile bytes on the link of a whole gateway: frames of every kind to its loop, its connections and its datagrams together, with a service
//! of this machine behind what is allowed. They may be answered, refused or dropped, and nothing else. Called by the fuzz target in `fuzz/` and
//! by the test below; no part of a release.
#![allow(clippy::missing_panics_doc, clippy::unwrap_used, reason = "a panic is what this is for")]

use std::{
    io::{self, Read as _, Write as _},
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, SocketAddrV4},
    os::unix::net::UnixStream,
    sync::{
        Arc, OnceLock,
        atomic::{AtomicUsize, Ordering::Relaxed},
    },
    thread,
    time::{Duration, Instant},
};

use boxlite_spec::network::{LinkSpec, NetworkLimits, NetworkSpec, rule::Policy};
use tokio::net::{TcpListener, UdpSocket};

use super::{
    Gateway, Services,
    datagrams::{self, Lease},
    frame::{ARP, ETHERNET, FRAME_MAX, GATEWAY_MAC, IPV4, IPV6},
    hostile::Echo,
    hostile_segments::Segments,
};
use crate::{
    backend::{NetworkBackend as _, Reports},
    decision::{Allowed, Decide, Decision, Destination, Refused},
    sample,
};

/// The box's hardware address; its others are 10.87.0.2 and `fd87::2`, and the gateway's end in 1.
const BOX_MAC: [u8; 6] = [0x5a, 0, 0, 0, 0, 1];
const BOX: Ipv4Addr = Ipv4Addr::new(10, 87, 0, 2);
const BOX_V6: Ipv6Addr = Ipv6Addr::new(0xfd87, 0, 0, 0, 0, 0, 0, 2);
/// An address outside, at which the service is.
const OUTSIDE: Ipv4Addr = Ipv4Addr::new(203, 0, 113, 7);
/// Most connections of one sample.
const CONNECTIONS: u32 = 8;
/// Most frames of one sample: the gateway's thread has to have its turn for each, also where many others want theirs.
const FRAMES: usize = 64;
/// How long the gateway may take to read a frame. It is a thread among others, and this machine may be busy.
const PATIENCE: Duration = Duration::from_secs(4);
/// How long the answer to a segment is waited for, so that the next one can fit to it.
const ANSWER: Duration = Duration::from_millis(1);

/// Bits of the first byte of a sample. Frames come from an address that is not the box's.
const SPOOFED: u8 = 1;
/// Nothing is allowed.
const CLOSED: u8 = 2;

/// Leads to the service, unless the sample is one that allows nothing, and counts how often it was asked.
#[derive(Debug)]
struct Counted {
    closed: bool,
    asked: AtomicUsize,
}

impl Decide for Counted {
    fn decide(&self, to: Destination) -> Decision {
        self.asked.fetch_add(1, Relaxed);
        if self.closed || to.port % 2 == 1 {
            return Decision::Refused(Refused { rule: "default".into(), name: None });
        }
        let dial = SocketAddr::new(Ipv4Addr::LOCALHOST.into(), service());
        Decision::Allowed(Allowed { dial, name: None, by_name: false })
    }

    fn decide_named(&self, to: Destination, _: &str) -> Decision {
        self.decide(to)
    }

    fn set_policy(&self, _: &Policy) {}
}

/// The port of a service on 127.0.0.1 that answers with what it gets, over TCP and UDP. It lives as long as this process.
fn service() -> u16 {
    static PORT: OnceLock<u16> = OnceLock::new();
    *PORT.get_or_init(|| {
        let tcp = std::net::TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let port = tcp.local_addr().unwrap().port();
        let udp = std::net::UdpSocket::bind((Ipv4Addr::LOCALHOST, port)).unwrap();
        tcp.set_nonblocking(true).unwrap();
        udp.set_nonblocking(true).unwrap();
        thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
            runtime.block_on(async {
                let (tcp, udp) = (TcpListener::from_std(tcp).unwrap(), UdpSocket::from_std(udp).unwrap());
                let mut datagram = vec![0; 65_536];
                loop {
                    tokio::select! {
                        Ok((mut stream, _)) = tcp.accept() => drop(tokio::spawn(async move {
                            let (mut from, mut to) = stream.split();
                            _ = tokio::io::copy(&mut from, &mut to).await;
                        })),
                        Ok((length, from)) = udp.recv_from(&mut datagram) => {
                            _ = udp.send_to(&datagram[..length], from).await;
                        }
                        else => {}
                    }
                }
            });
        });
        port
    })
}

/// A byte of bits, and then frames. Each begins with a byte of its kind: a TCP segment that is made (see `Segments`), an Ethernet header that
/// is made and a payload, a whole frame, or bytes for the link without a length.
pub fn link(mut bytes: &[u8]) {
    let Some(&bits) = bytes.split_off_first() else { return };
    let mut sample = Sample::new(bits);
    for _ in 0..FRAMES {
        let Some(&kind) = bytes.split_off_first() else { break };
        if kind & 7 == 7 {
            // The end of the link, unless it happens to be a frame.
            sample.write(bytes);
            break;
        }
        let Some(frame) = sample.make(kind, &mut bytes) else { break };
        if !sample.send(frame, kind & 1 == 1) {
            break;
        }
    }
    sample.end();
}

struct Sample {
    bits: u8,
    gateway: Gateway,
    decide: Arc<Counted>,
    reports: Reports,
    machine: UnixStream,
    segments: Segments,
    received: Vec<u8>,
    /// Frames and bytes of them, from the box and to it.
    sent: (usize, usize),
    answered: (usize, usize),
}

impl Sample {
    fn new(bits: u8) -> Self {
        let decide = Arc::new(Counted { closed: bits & CLOSED != 0, asked: AtomicUsize::new(0) });
        let services = Services {
            decide: Arc::clone(&decide) as _,
            names: Arc::new(Echo),
            inspector: None,
            datagrams: datagrams::make(Lease::default()),
        };
        let mut gateway = Gateway::new(services, true);
        let link = LinkSpec { mac: BOX_MAC, ..sample::link([10, 87, 0], Some(0xfd87)) };
        let segments = Segments::new(&link, SocketAddrV4::new(OUTSIDE, 80));
        let limits = NetworkLimits { connections: CONNECTIONS, ..NetworkLimits::default() };
        let spec = NetworkSpec { link, limits, ..sample::network() };
        let reports = Reports::default();
        let machine = UnixStream::from(gateway.start(&spec, reports.clone()).unwrap().socket);
        machine.set_nonblocking(true).unwrap();
        let (received, sent, answered) = (Vec::new(), (0, 0), (0, 0));
        Self { bits, gateway, decide, reports, machine, segments, received, sent, answered }
    }

    fn make(&mut self, kind: u8, bytes: &mut &[u8]) -> Option<Vec<u8>> {
        if kind & 1 == 1 {
            return self.segments.next(kind, bytes);
        }
        let length = usize::from(u16::from_be_bytes(*bytes.split_off(..2)?.first_chunk()?));
        let rest = bytes.split_off(..length.min(bytes.len()))?;
        if kind & 2 == 0 {
            return Some(rest.to_vec());
        }
        let (kind, packet) = match kind >> 2 & 3 {
            0 => (ARP, rest.to_vec()),
            1 => (IPV6, with_source(rest, 8, &BOX_V6.octets())),
            _ => (IPV4, with_source(rest, 12, &BOX.octets())),
        };
        Some([&GATEWAY_MAC[..], &BOX_MAC, &kind, &packet].concat())
    }

    /// Sends a frame, from another address if this sample is of that kind. Returns whether the link is still there.
    fn send(&mut self, mut frame: Vec<u8>, awaited: bool) -> bool {
        if self.bits & SPOOFED != 0 {
            spoof(&mut frame);
        }
        if frame.is_empty() || frame.len() > FRAME_MAX {
            return true;
        }
        self.sent = (self.sent.0 + 1, self.sent.1 + frame.len());
        self.write(&[&u32::try_from(frame.len()).unwrap().to_be_bytes()[..], &frame].concat());
        let began = Instant::now();
        while self.reports.counters.read().sent_packets < self.sent.0 as u64 {
            assert!(began.elapsed() < PATIENCE, "a frame was not read: {frame:02x?}");
            if !self.receive() {
                return false;
            }
            thread::yield_now();
        }
        let (began, before) = (Instant::now(), self.answered.0);
        while awaited && self.answered.0 == before && began.elapsed() < ANSWER {
            thread::sleep(ANSWER / 10);
            if !self.receive() {
                return false;
            }
        }
        self.receive()
    }

    /// Writes to the link, as far as the gateway reads.
    fn write(&mut self, mut bytes: &[u8]) {
        let began = Instant::now();
        while !bytes.is_empty() && began.elapsed() < PATIENCE {
            match self.machine.write(bytes) {
                Ok(count) => bytes = &bytes[count..],
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    self.receive();
                    thread::yield_now();
                }
                Err(_) => return,
            }
        }
    }

    /// Reads what the gateway has sent, and checks it. Returns whether the link is still there.
    fn receive(&mut self) -> bool {
        let mut chunk = [0; 16 << 10];
        let there = loop {
            match self.machine.read(&mut chunk) {
                Ok(0) => break false,
                Ok(count) => self.received.extend_from_slice(&chunk[..count]),
                Err(error) => break error.kind() == io::ErrorKind::WouldBlock,
            }
        };
        while let Some(prefix) = self.received.first_chunk::<4>() {
            let length = usize::try_from(u32::from_be_bytes(*prefix)).unwrap();
            assert!((ETHERNET..=FRAME_MAX).contains(&length), "a frame of {length} bytes");
            if self.received.len() < 4 + length {
                break;
            }
            let frame: Vec<u8> = self.received.drain(..4 + length).skip(4).collect();
            Self::check(&frame);
            self.answered = (self.answered.0 + 1, self.answered.1 + length);
            self.segments.learn(&frame);
        }
        assert!(
            self.reports.counters.connections() <= u64::from(CONNECTIONS),
            "more connections than allowed"
        );
        there
    }

    /// What the gateway sends is from itself, and to this box or to everybody on the link, which is the same.
    fn check(frame: &[u8]) {
        assert_eq!(frame[..6], BOX_MAC, "to another machine");
        assert_eq!(frame[6..12], GATEWAY_MAC, "from another machine");
        let packet = &frame[ETHERNET..];
        if frame[12..14] == IPV4 {
            let to = Ipv4Addr::from(*packet[16..].first_chunk::<4>().unwrap());
            assert!(to == BOX || to.is_broadcast(), "to {to}");
        } else if frame[12..14] == IPV6 {
            let to = Ipv6Addr::from(*packet[24..].first_chunk::<16>().unwrap());
            assert!(to == BOX_V6 || to.is_multicast() || to.is_unicast_link_local(), "to {to}");
        } else {
            assert_eq!(frame[12..14], ARP, "an unknown protocol");
        }
    }

    fn end(mut self) {
        self.receive();
        self.gateway.stop();
        self.receive();
        assert_eq!(self.reports.counters.connections(), 0, "a connection without a gateway");
        if self.bits & SPOOFED != 0 {
            assert_eq!(self.decide.asked.load(Relaxed), 0, "somebody else's frame was passed on");
        }
        if self.bits & (SPOOFED | CLOSED) != 0 {
            // What answers is the gateway itself: no more than an error for each frame, and a query that comes back.
            let ((frames, bytes), (answers, answered)) = (self.sent, self.answered);
            assert!(
                answered <= 2 * bytes + 700 * frames,
                "{answers} frames of {answered} bytes answer {frames} frames of {bytes} bytes"
            );
        }
    }
}

/// A packet whose source is this one.
fn with_source(packet: &[u8], at: usize, address: &[u8]) -> Vec<u8> {
    let mut packet = packet.to_vec();
    if let Some(source) = packet.get_mut(at..at + address.len()) {
        source.copy_from_slice(address);
    }
    packet
}

/// Changes the source of a frame to one that is not the box's: the address of a packet, or else that of the machine.
fn spoof(frame: &mut [u8]) {
    let Some((header, packet)) = frame.split_first_chunk_mut::<ETHERNET>() else { return };
    let source: Option<(&mut [u8], IpAddr)> = match [header[12], header[13]] {
        IPV4 => packet.get_mut(12..16).map(|source| (source, Ipv4Addr::new(10, 87, 0, 77).into())),
        IPV6 => {
            packet.get_mut(8..24).map(|source| (source, Ipv6Addr::new(0xfd87, 0, 0, 0, 0, 0, 0, 0x77).into()))
        }
        _ => None,
    };
    match source {
        Some((source, IpAddr::V4(other))) => source.copy_from_slice(&other.octets()),
        Some((source, IpAddr::V6(other))) => source.copy_from_slice(&other.octets()),
        None => header[6] ^= 2,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::numbers;

    /// SYN; ACK; data; FIN; an ARP request; a ping; a datagram; a length that no frame has.
    fn sample(bits: u8) -> Vec<u8> {
        let arp = [&[0, 1, 8, 0, 6, 4, 0, 1][..], &BOX_MAC, &BOX.octets(), &[0; 6], &[10, 87, 0, 1]].concat();
        let udp = [
            &[0x45, 0, 0, 32, 0, 0, 0x40, 0, 64, 17, 0, 0][..],
            &BOX.octets(),
            &OUTSIDE.octets(),
            &[4, 0, 0, 80, 0, 12, 0, 0, 1, 2, 3, 4],
        ]
        .concat();
        let whole =
            |kind: u8, packet: &[u8]| [&[kind, 0, u8::try_from(packet.len()).unwrap()], packet].concat();
        [
            vec![bits],
            [1, super::super::frame::SYN, 0, 0, 255, 0, 0].to_vec(),
            [1, super::super::frame::ACK, 0, 0, 255, 0, 4, 1, 2, 3, 4].to_vec(),
            whole(2, &arp),
            whole(10, &udp),
            [1, super::super::frame::ACK | super::super::frame::FIN, 0, 0, 255, 0, 0].to_vec(),
            vec![7, 0, 0, 0, 0],
        ]
        .concat()
    }

    #[test]
    fn samples_of_every_kind_are_answered_refused_or_dropped() {
        for bits in [0, SPOOFED, CLOSED, SPOOFED | CLOSED] {
            link(&sample(bits));
        }
        let mut open = Sample::new(0);
        let mut bytes = &sample(0)[1..];
        let kind = *bytes.split_off_first().unwrap();
        let frame = open.make(kind, &mut bytes).unwrap();
        open.send(frame, true);
        let began = Instant::now();
        while open.segments.acknowledged(0) == 0 {
            assert!(began.elapsed() < PATIENCE, "no SYN-ACK");
            open.receive();
        }
        // At the SYN, and again before the host dials.
        assert!(open.decide.asked.load(Relaxed) > 0);
        open.end();
    }

    #[test]
    fn samples_that_are_changed_at_random_are_answered_refused_or_dropped() {
        let mut below = numbers::below();
        for _ in 0..100 {
            let mut changed = sample(u8::try_from(below(4)).unwrap());
            for _ in 0..=below(4) {
                let at = 1 + below(changed.len() - 1);
                changed[at] = u8::try_from(below(256)).unwrap();
            }
            link(&changed);
        }
    }
}
