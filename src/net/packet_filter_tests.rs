//! What reaches a backend without a policy of its own, frame by frame.

use smoltcp::{
    phy::ChecksumCapabilities,
    wire::{
        EthernetAddress, EthernetFrame, EthernetProtocol, EthernetRepr, IpProtocol, Ipv4Packet, Ipv4Repr,
        TcpControl, TcpPacket, TcpRepr, TcpSeqNumber, UdpRepr,
    },
};

use super::*;
use crate::sample::{network, policy};

const BOX: Ipv4Addr = Ipv4Addr::new(192, 168, 127, 2);
const GATEWAY: Ipv4Addr = Ipv4Addr::new(192, 168, 127, 1);
const HOST: Ipv4Addr = Ipv4Addr::new(192, 168, 127, 254);
/// A public address that no machine of a test has itself.
const PUBLIC: Ipv4Addr = Ipv4Addr::new(93, 184, 216, 34);
const PRIVATE: Ipv4Addr = Ipv4Addr::new(10, 9, 8, 7);
const MAC: [u8; 6] = [2, 0, 0, 0, 0, 1];

struct Rig {
    filter: PacketFilter,
    policy: Arc<FilterPolicy>,
    reports: Reports,
    to_box: Outgoing,
    to_backend: Outgoing,
}

fn rig(allow: Option<&[&str]>, deny: &[&str]) -> Rig {
    let spec = NetworkSpec { policy: policy(allow, deny), ..network() };
    let (policy, reports) = (FilterPolicy::new(&spec), Reports::default());
    let outgoing = || Outgoing::new(Arc::default());
    Rig {
        filter: PacketFilter::new(spec.link, Arc::clone(&policy), reports.clone()),
        policy,
        reports,
        to_box: outgoing(),
        to_backend: outgoing(),
    }
}

fn ipv4(from: Ipv4Addr, to: Ipv4Addr, protocol: IpProtocol, message: &[u8]) -> Vec<u8> {
    let repr = Ipv4Repr {
        src_addr: from,
        dst_addr: to,
        next_header: protocol,
        payload_len: message.len(),
        hop_limit: 64,
    };
    let mut frame = vec![0; ETHERNET + 20 + message.len()];
    EthernetRepr {
        src_addr: EthernetAddress(MAC),
        dst_addr: EthernetAddress([0x52, 0x55, 10, 0, 2, 2]),
        ethertype: EthernetProtocol::Ipv4,
    }
    .emit(&mut EthernetFrame::new_unchecked(&mut frame));
    let mut packet = Ipv4Packet::new_unchecked(&mut frame[ETHERNET..]);
    repr.emit(&mut packet, &ChecksumCapabilities::default());
    packet.payload_mut().copy_from_slice(message);
    frame
}

fn tcp(to: Ipv4Addr, port: u16, control: TcpControl, acknowledged: Option<u32>) -> Vec<u8> {
    let repr = TcpRepr {
        src_port: 40_000,
        dst_port: port,
        control,
        seq_number: TcpSeqNumber(1000),
        ack_number: acknowledged.map(|number| TcpSeqNumber(number.cast_signed())),
        window_len: 1000,
        window_scale: None,
        max_seg_size: None,
        sack_permitted: false,
        sack_ranges: [None; 3],
        timestamp: None,
        payload: &[],
    };
    let mut message = vec![0; repr.buffer_len()];
    let checksums = ChecksumCapabilities::default();
    repr.emit(&mut TcpPacket::new_unchecked(&mut message), &BOX.into(), &to.into(), &checksums);
    ipv4(BOX, to, IpProtocol::Tcp, &message)
}

fn syn(to: Ipv4Addr, port: u16) -> Vec<u8> {
    tcp(to, port, TcpControl::Syn, None)
}

fn udp_from(from: Ipv4Addr, from_port: u16, to: Ipv4Addr, port: u16) -> Vec<u8> {
    let repr = UdpRepr { src_port: from_port, dst_port: port };
    let mut message = vec![0; 8 + 4];
    let mut packet = UdpPacket::new_unchecked(&mut message);
    let checksums = ChecksumCapabilities::default();
    repr.emit(&mut packet, &from.into(), &to.into(), 4, |bytes| bytes.fill(1), &checksums);
    ipv4(from, to, IpProtocol::Udp, &message)
}

fn udp(to: Ipv4Addr, port: u16) -> Vec<u8> {
    udp_from(BOX, 5000, to, port)
}

fn echo(to: Ipv4Addr) -> Vec<u8> {
    let mut message = [8, 0, 0, 0, 0, 1, 0, 1];
    let sum = checksum::of(&message);
    message[2..4].copy_from_slice(&sum);
    ipv4(BOX, to, IpProtocol::Icmp, &message)
}

fn taken(out: &mut Outgoing) -> Vec<Vec<u8>> {
    let bytes: Vec<u8> = out.slices(usize::MAX).iter().flat_map(|part| part.to_vec()).collect();
    out.consume(bytes.len());
    let (mut frames, mut rest) = (Vec::new(), &bytes[..]);
    while let Some((length, after)) = rest.split_first_chunk::<4>() {
        let length = usize::try_from(u32::from_be_bytes(*length)).unwrap();
        frames.push(after[..length].to_vec());
        rest = &after[length..];
    }
    frames
}

impl Rig {
    fn passes(&mut self, frame: &[u8]) -> bool {
        self.filter.judge(frame, &mut self.to_box, &mut self.to_backend) == Filtered::Passed
    }

    /// The flags of the only TCP segment among the frames.
    fn flags(out: &mut Outgoing) -> u8 {
        let frames = taken(out);
        let [frame] = &frames[..] else { panic!("{} frames", frames.len()) };
        let packet = Ipv4Packet::new_checked(&frame[ETHERNET..]).unwrap();
        assert!(packet.verify_checksum());
        let segment = TcpPacket::new_checked(packet.payload()).unwrap();
        assert!(segment.verify_checksum(&packet.src_addr().into(), &packet.dst_addr().into()));
        packet.payload()[13]
    }

    /// Type and code of the only ICMP message among the answers, and whom it is for.
    fn icmp(&mut self) -> (u8, u8, Ipv4Addr) {
        let frames = taken(&mut self.to_box);
        let [frame] = &frames[..] else { panic!("{} frames", frames.len()) };
        let packet = Ipv4Packet::new_checked(&frame[ETHERNET..]).unwrap();
        (packet.payload()[0], packet.payload()[1], packet.dst_addr())
    }

    fn rule(&self) -> (u64, u64) {
        let read = self.reports.counters.read();
        (read.refusals, read.dropped_packets)
    }
}

#[test]
fn by_default_the_internet_is_reached_and_nothing_else() {
    let mut rig = rig(None, &[]);
    for frame in [syn(PUBLIC, 80), udp(PUBLIC, 123), echo(PUBLIC)] {
        assert!(rig.passes(&frame));
    }
    for to in [PRIVATE, HOST, Ipv4Addr::LOCALHOST, Ipv4Addr::new(169, 254, 169, 254)] {
        assert!(!rig.passes(&syn(to, 80)), "{to}");
        assert_eq!(Rig::flags(&mut rig.to_box), RST | ACK);
        assert!(!rig.passes(&udp(to, 80)), "{to}");
        assert_eq!(rig.icmp(), (3, 13, BOX));
        assert!(!rig.passes(&echo(to)), "{to}");
        assert_eq!(rig.icmp(), (3, 13, BOX));
    }
    assert_eq!(rig.rule(), (12, 0));
    assert!(taken(&mut rig.to_backend).is_empty());
}

#[test]
fn of_the_backend_itself_the_box_reaches_names_addresses_and_echo_only() {
    let mut rig = rig(Some(&["0.0.0.0/0", "public", "private", "host"]), &[]);
    for frame in [udp(GATEWAY, 53), syn(GATEWAY, 53), echo(GATEWAY)] {
        assert!(rig.passes(&frame));
    }
    assert!(rig.passes(&udp_from(Ipv4Addr::UNSPECIFIED, 68, Ipv4Addr::BROADCAST, 67)));
    assert!(rig.passes(&udp_from(BOX, 68, GATEWAY, 67)));
    // There gvproxy would publish ports of the host for the box.
    assert!(!rig.passes(&syn(GATEWAY, 80)));
    assert!(!rig.passes(&udp(GATEWAY, 80)));
    assert_eq!(rig.reports.counters.read().dns_queries, 2);
}

#[test]
fn each_connection_and_each_query_is_counted_once() {
    let mut rig = rig(None, &[]);
    let counted = |rig: &Rig| {
        let read = rig.reports.counters.read();
        (read.connections_total, read.dns_queries, read.refusals)
    };
    for frame in [syn(PUBLIC, 80), udp(PUBLIC, 123), echo(PUBLIC)] {
        // A SYN may be sent again, and a flow has many datagrams.
        assert!(rig.passes(&frame) && rig.passes(&frame));
    }
    assert!(rig.passes(&tcp(PUBLIC, 80, TcpControl::None, Some(77))));
    assert_eq!(counted(&rig), (3, 0, 0));
    assert!(rig.passes(&udp(GATEWAY, 53)) && rig.passes(&syn(GATEWAY, 53)) && rig.passes(&echo(GATEWAY)));
    assert_eq!(counted(&rig), (4, 2, 0));
    assert!(!rig.passes(&syn(PRIVATE, 80)) && !rig.passes(&udp(PRIVATE, 80)));
    assert_eq!(counted(&rig), (4, 2, 2));
    // A query that may not leave is a query that is refused.
    rig.policy.set("gvproxy", &Policy { allow: Some(Vec::new()), deny: Vec::new() }).unwrap();
    assert!(!rig.passes(&udp(GATEWAY, 53)) && !rig.passes(&tcp(GATEWAY, 53, TcpControl::Syn, None)));
    assert_eq!(counted(&rig), (4, 3, 4));
}

#[test]
fn network_pitfalls_ping_nobody_answers_in_the_place_of_another() {
    let mut rig = rig(None, &[]);
    rig.filter = rig.filter.without_echo();
    assert!(rig.passes(&echo(GATEWAY)));
    assert!(!rig.passes(&echo(PUBLIC)));
    assert_eq!(rig.icmp(), (3, 13, BOX));
}

#[test]
fn network_pitfalls_other_dns_transports_53_is_the_name_servers() {
    let mut rig = rig(None, &[]);
    assert!(!rig.passes(&udp(PUBLIC, 53)) && !rig.passes(&syn(PUBLIC, 853)));
}

#[test]
fn network_pitfalls_dns_as_a_leak_a_query_is_for_who_may_reach_the_internet() {
    for (allow, asks) in
        [(&["10.0.0.0/8"][..], false), (&[], false), (&["public"], true), (&["0.0.0.0/0"], true)]
    {
        let mut rig = rig(Some(allow), &[]);
        assert_eq!(rig.passes(&udp(GATEWAY, 53)), asks, "{allow:?}");
        assert_eq!(rig.passes(&syn(GATEWAY, 53)), asks, "{allow:?}");
    }
}

#[test]
fn a_policy_that_is_replaced_holds_for_what_is_open() {
    let mut rig = rig(None, &[]);
    assert!(rig.passes(&syn(PUBLIC, 80)));
    let policy = policy(None, &["93.184.216.0/24"]);
    rig.policy.set("gvproxy", &policy).unwrap();
    assert!(!rig.passes(&tcp(PUBLIC, 80, TcpControl::None, Some(77))));
    assert_eq!(Rig::flags(&mut rig.to_box), RST);
    // The backend's half ends too.
    assert_eq!(Rig::flags(&mut rig.to_backend), RST | ACK);
    // What resets is no reason for a reset.
    assert!(!rig.passes(&tcp(PUBLIC, 80, TcpControl::Rst, Some(77))));
    assert!(taken(&mut rig.to_box).is_empty() && taken(&mut rig.to_backend).is_empty());
}

#[test]
fn a_rule_by_name_is_refused() {
    let rig = rig(None, &[]);
    for policy in [policy(Some(&["public", "a.example"]), &[]), policy(None, &["*.a.example:443"])] {
        let error = rig.policy.set("gvproxy", &policy).unwrap_err().to_string();
        assert!(error.contains("`gvproxy` can't do this") && error.contains("a.example"), "{error}");
    }
}

#[test]
fn the_host_is_reached_by_its_rule_alone() {
    let mut rig = rig(Some(&["host:8080"]), &[]);
    assert!(rig.passes(&syn(HOST, 8080)));
    assert!(!rig.passes(&syn(HOST, 8081)));
}

#[test]
fn spoofed_and_malformed_frames_are_dropped() {
    let mut rig = rig(None, &[]);
    let mut foreign = syn(PUBLIC, 80);
    foreign[6] = 4;
    let mut v6 = udp(PUBLIC, 123);
    v6[12..14].copy_from_slice(&frame::IPV6);
    let frames = [
        foreign,
        udp_from(PUBLIC, 5000, PUBLIC, 123),
        udp_from(Ipv4Addr::UNSPECIFIED, 5000, PUBLIC, 123),
        v6,
        udp(Ipv4Addr::new(192, 168, 127, 255), 137),
        udp(Ipv4Addr::new(224, 0, 0, 251), 5353),
        ipv4(BOX, PUBLIC, IpProtocol::Udp, &[1, 2, 3]),
        ipv4(BOX, PUBLIC, IpProtocol::Unknown(47), &[0; 20]),
        vec![0; 10],
    ];
    let count = frames.len() as u64;
    for frame in frames {
        assert!(!rig.passes(&frame));
    }
    assert_eq!(rig.rule(), (0, count));
    assert!(taken(&mut rig.to_box).is_empty());
}

#[test]
fn parts_of_datagrams_pass_but_not_to_the_backend_itself() {
    let mut rig = rig(None, &[]);
    let part = |to| {
        let mut frame = udp(to, 123);
        frame[ETHERNET + 7] = 5;
        frame[ETHERNET + 10..ETHERNET + 12].fill(0);
        let sum = checksum::of(&frame[ETHERNET..ETHERNET + 20]);
        frame[ETHERNET + 10..ETHERNET + 12].copy_from_slice(&sum);
        frame
    };
    assert!(rig.passes(&part(PUBLIC)));
    assert!(!rig.passes(&part(GATEWAY)));
}

#[test]
fn while_there_is_no_backend_everything_is_refused_at_once() {
    let mut rig = rig(None, &[]);
    rig.filter.close(Some("backend"));
    assert!(!rig.passes(&syn(PUBLIC, 80)));
    assert_eq!(rig.icmp(), (3, 0, BOX));
    assert!(!rig.passes(&udp(GATEWAY, 53)));
    assert_eq!(rig.icmp(), (3, 0, BOX));
    assert!(!rig.passes(&tcp(PUBLIC, 80, TcpControl::None, Some(7))));
    assert_eq!(Rig::flags(&mut rig.to_box), RST);
    assert!(taken(&mut rig.to_backend).is_empty(), "nobody takes it");
    rig.filter.close(None);
    assert!(rig.passes(&syn(PUBLIC, 80)));
}

#[test]
fn the_boxs_address_is_the_one_that_it_was_given() {
    let mut rig = rig(None, &[]);
    let other = Ipv4Addr::new(192, 168, 127, 9);
    assert!(!rig.passes(&udp_from(other, 5000, PUBLIC, 123)));
    // An answer by DHCP, whose address for the client is at 16.
    let mut message = vec![0; 8 + 240];
    message[8] = 2;
    message[8 + 16..8 + 20].copy_from_slice(&other.octets());
    message[..8].copy_from_slice(&[0, 67, 0, 68, 0, 248, 0, 0]);
    rig.filter.note(&ipv4(GATEWAY, Ipv4Addr::BROADCAST, IpProtocol::Udp, &message));
    assert!(rig.passes(&udp_from(other, 5000, PUBLIC, 123)));
    assert!(!rig.passes(&udp(PUBLIC, 123)));
}
