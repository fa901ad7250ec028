//! What is refused, what is dropped, and how the box learns of it.

use std::{net::SocketAddr, time::Instant};

use boxlite_spec::network::{control::Refusal, rule::Protocol};
use smoltcp::wire::{IpProtocol, Ipv4Packet};

use super::rig::{Choice, GATEWAY, GUEST, GUEST6, OUTSIDE, OUTSIDE6, Rig, guest, ip, refused, udp};
use crate::gateway::datagrams::Datagrams;

#[tokio::test]
async fn network_pitfalls_hidden_refusals_are_reported_and_told_at_once() {
    let mut rig = Rig::new(Choice::default());
    rig.says(refused);
    for (address, expected) in [(OUTSIDE.into(), (3, 13)), (OUTSIDE6.into(), (1, 1))] {
        let to = SocketAddr::new(address, 7000);
        let packet = udp(guest(4000, to), to, b"x");
        rig.send(&packet);
        let (_, kind, rest) = rig.icmp().await.unwrap();
        assert_eq!((kind, &rest[4..]), (expected, &packet[..]), "the packet is quoted");
        let (name, rule) = (Some("example.com".into()), "default".into());
        let expected =
            Refusal { address: Some(address), port: 7000, protocol: Protocol::Udp, name, rule, count: 1 };
        assert_eq!(rig.refusals.try_recv().unwrap(), expected);
    }
    assert_eq!(rig.reports.counters.read().refusals, 2);
    assert_eq!(rig.handler.flows.open(), (0, 0));
}

#[tokio::test]
async fn network_pitfalls_other_dns_transports_to_a_group_are_reported_and_nobody_answers() {
    let mut rig = Rig::new(Choice::default());
    let groups = ["224.0.0.251:5353", "224.0.0.252:5355", "[ff02::fb]:5353", "[ff02::1:3]:5355"];
    for to in groups.map(|text| text.parse::<SocketAddr>().unwrap()) {
        rig.udp(5353, to, b"x");
        let refusal = rig.refusals.try_recv().unwrap();
        assert_eq!((refusal.address, refusal.port, &refusal.rule[..]), (Some(to.ip()), to.port(), "dns"));
    }
    assert!(rig.is_silent().await);
}

#[tokio::test]
async fn frames_from_foreign_addresses_are_dropped() {
    let mut rig = Rig::new(Choice::default());
    let to: SocketAddr = (OUTSIDE, 7000).into();
    rig.send(&udp("10.87.0.3:4000".parse().unwrap(), to, b"x"));
    rig.send(&udp("0.0.0.0:4000".parse().unwrap(), to, b"x"));
    rig.send(&udp("[2001:db8::9]:4000".parse().unwrap(), (OUTSIDE6, 7000).into(), b"x"));
    rig.send(&udp("[fe80::9]:4000".parse().unwrap(), (OUTSIDE6, 7000).into(), b"x"));
    // And those to nobody, to everybody, to the box itself and to another's hardware.
    for to in ["0.0.0.0:1", "255.255.255.255:1", "10.87.0.255:1", "224.0.0.1:1", "10.87.0.2:1"] {
        rig.udp(4000, to.parse().unwrap(), b"x");
    }
    rig.udp(4000, "[ff02::1]:7".parse().unwrap(), b"x");
    let mut frame = super::rig::ethernet(&udp((GUEST, 4000).into(), to, b"x"));
    frame[..6].copy_from_slice(&[2, 0, 0, 0, 0, 9]);
    rig.handler.handle(&frame);
    assert!(rig.is_silent().await);
    assert_eq!((rig.dropped(), rig.handler.flows.open()), (11, (0, 0)));
}

#[tokio::test]
async fn frames_of_other_protocols_are_dropped() {
    let mut rig = Rig::new(Choice::default());
    rig.send(&ip(GUEST.into(), OUTSIDE.into(), IpProtocol::Unknown(132), &[0; 40]));
    rig.send(&ip(GUEST6.into(), OUTSIDE6.into(), IpProtocol::Unknown(47), &[0; 40]));
    rig.send(&ip(GUEST.into(), OUTSIDE.into(), IpProtocol::Udp, &[0; 7]));
    // No checksum, no length, no ports.
    let mut packet = udp((GUEST, 4000).into(), (OUTSIDE, 7000).into(), b"x");
    packet[10] ^= 1;
    rig.send(&packet);
    rig.send(&udp((GUEST, 0).into(), (OUTSIDE, 7000).into(), b"x"));
    rig.send(&udp((GUEST, 4000).into(), (OUTSIDE, 0).into(), b"x"));
    assert!(rig.is_silent().await);
    assert_eq!((rig.dropped(), rig.handler.flows.open()), (6, (0, 0)));
}

#[tokio::test]
async fn network_pitfalls_ipv6_without_a_route_is_dropped_and_counted() {
    let mut rig = Rig::new(Choice { v6: false, ..Choice::default() });
    rig.udp(4000, (OUTSIDE6, 7000).into(), b"x");
    let solicitation = [133, 0, 0, 0, 0, 0, 0, 0];
    let mut packet =
        ip("fe80::1".parse().unwrap(), "ff02::2".parse().unwrap(), IpProtocol::Icmpv6, &solicitation);
    packet[7] = 255;
    rig.send(&packet);
    assert!(rig.is_silent().await);
    assert_eq!(rig.dropped(), 2);
}

#[tokio::test]
async fn network_pitfalls_mtu_what_may_not_be_divided_and_is_too_big_is_told_what_fits() {
    let mut rig = Rig::new(Choice { mtu: 1280, ..Choice::default() });
    let to = (OUTSIDE, 7000).into();
    let mut packet = udp(guest(4000, to), to, &[7; 1400]);
    let mut header = Ipv4Packet::new_unchecked(&mut packet[..]);
    header.set_dont_frag(true);
    header.fill_checksum();
    rig.send(&packet);
    let (from, kind, rest) = rig.icmp().await.unwrap();
    assert_eq!((from, kind, &rest[..4]), (GATEWAY.into(), (3, 4), &1280_u32.to_be_bytes()[..]));
    let to = (OUTSIDE6, 7000).into();
    rig.send(&udp(guest(4000, to), to, &[7; 1400]));
    let (_, kind, rest) = rig.icmp().await.unwrap();
    assert_eq!((kind, &rest[..4]), ((2, 0), &1280_u32.to_be_bytes()[..]));
    assert_eq!(rig.handler.flows.open(), (0, 0));
}

#[tokio::test]
async fn errors_are_fewer_than_what_causes_them() {
    let mut rig = Rig::new(Choice::default());
    rig.says(refused);
    let (began, mut errors) = (Instant::now(), 0);
    for port in 1..=20_000 {
        rig.udp(4000, (OUTSIDE, port).into(), b"x");
        errors += u128::from(rig.sent());
    }
    // 200 at once, and then one in each millisecond.
    let most = 200 + began.elapsed().as_millis();
    assert!((200..=most).contains(&errors) && most < 15_000, "{errors} of at most {most}");
    assert_eq!(rig.reports.counters.read().refusals, 20_000);
}
