//! How connections begin: what the box sees is what is so.

use std::{
    io::{Read, Write},
    net::{Ipv4Addr, SocketAddr, TcpListener},
    time::Duration,
};

use smoltcp::socket::tcp::State;

use super::rig::{Choice, OUTSIDE, OUTSIDE_V6, REFUSED, rig, rig_with, server, silent_server};
use crate::gateway::parts::Patience;

#[test]
fn a_connection_carries_bytes_both_ways() {
    let (listener, to) = server();
    let mut rig = rig();
    for to in [to, SocketAddr::from((OUTSIDE_V6, to.port()))] {
        let handle = rig.guest.connected(to);
        let (mut peer, _) = listener.accept().unwrap();
        rig.guest.send(handle, b"question");
        rig.guest.pause(Duration::from_millis(5));
        let mut question = [0; 8];
        peer.read_exact(&mut question).unwrap();
        assert_eq!(&question, b"question");
        peer.write_all(b"answer").unwrap();
        assert_eq!(rig.guest.receive_bytes(handle, 6), b"answer");
    }
    let metrics = rig.reports.counters.read();
    assert_eq!((metrics.connections, metrics.connections_total), (2, 2));
    assert!(metrics.sent_packets >= 6 && metrics.received_packets >= 4, "{metrics:?}");
}

#[test]
fn network_pitfalls_ipv6_without_a_route_no_syn_ack_before_the_upstream_has_connected() {
    let mut rig = rig();
    let closed = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap().local_addr().unwrap().port();
    for to in [SocketAddr::from((OUTSIDE, closed)), SocketAddr::from((OUTSIDE_V6, closed))] {
        let handle = rig.guest.connect(to);
        rig.guest.until("reset", |guest| guest.tcp(handle).state() == State::Closed);
    }
    assert_eq!((rig.guest.syn_acks, rig.guest.resets), (0, 2));
    assert_eq!(rig.reports.counters.connections(), 0);
}

#[test]
fn network_pitfalls_hidden_refusals_a_refusal_is_a_fast_reset_and_an_event_with_the_rule() {
    let (listener, to) = server();
    listener.set_nonblocking(true).unwrap();
    let mut rig = rig();
    let mut refusals = rig.reports.refusals.subscribe();
    let handle = rig.guest.connect((REFUSED, to.port()).into());
    rig.guest.until("reset", |guest| guest.tcp(handle).state() == State::Closed);
    let refusal = refusals.try_recv().unwrap();
    assert_eq!(refusal.address, Some(REFUSED.into()));
    assert_eq!((refusal.port, refusal.rule.as_str()), (to.port(), "203.0.113.66"));
    assert_eq!(refusal.name.as_deref(), Some("refused.test"));
    assert_eq!((rig.guest.syn_acks, rig.reports.counters.read().refusals), (0, 1));
    assert!(listener.accept().is_err());
}

#[test]
fn network_pitfalls_rst_unreachable_is_icmp() {
    let (_server, _queue, port) = silent_server();
    let patience = Patience { dial: Duration::from_millis(300), ..Patience::default() };
    let mut rig = rig_with(Choice { patience, ..Choice::default() });
    rig.guest.connect((OUTSIDE, port).into());
    rig.guest.connect((OUTSIDE_V6, port).into());
    rig.guest.until("two ICMP messages", |guest| guest.others.len() == 2);
    let v4 = &rig.guest.others[0][14..];
    assert_eq!((v4[9], v4[20], v4[21]), (1, 3, 1), "host unreachable");
    assert_eq!(v4[44..48], OUTSIDE.octets(), "the packet is quoted");
    let v6 = &rig.guest.others[1][14..];
    assert_eq!((v6[6], v6[40], v6[41]), (58, 1, 3), "address unreachable");
    assert_eq!((rig.guest.syn_acks, rig.guest.resets), (0, 0));
    assert_eq!(rig.reports.counters.connections(), 0);
}

#[test]
fn a_syn_that_is_repeated_while_the_host_connects_makes_one_connection() {
    let (_server, _queue, port) = silent_server();
    let patience = Patience { dial: Duration::from_secs(2), ..Patience::default() };
    let mut rig = rig_with(Choice { patience, ..Choice::default() });
    rig.guest.connect((OUTSIDE, port).into());
    rig.guest.pause(Duration::from_millis(1500));
    let metrics = rig.reports.counters.read();
    assert!(metrics.sent_packets >= 2, "the SYN was not repeated");
    assert_eq!(metrics.connections_total, 1);
}

#[test]
fn a_segment_of_no_connection_is_reset() {
    let mut rig = rig();
    let packet = [
        &[0x45, 0, 0, 40, 0, 0, 0x40, 0, 64, 6, 0, 0, 10, 107, 0, 2, 203, 0, 113, 7][..],
        &[0x10, 0, 0, 80, 0, 0, 0, 1, 0, 0, 0, 9, 0x50, 0x10, 0, 9, 0, 0, 0, 0],
    ]
    .concat();
    let frame = [rig.guest.header([8, 0]), packet].concat();
    rig.guest.send_frame(&frame);
    rig.guest.until("reset", |guest| guest.resets == 1);
}

#[test]
fn network_pitfalls_dns_over_tcp_is_the_gateways() {
    let mut rig = rig();
    let handle = rig.guest.connected((rig.guest.link.v4.gateway, 53).into());
    // Two queries at once, the second in two pieces.
    rig.guest.send(handle, &[0, 3, 1, 2, 3, 0, 2, 4]);
    assert_eq!(rig.guest.receive_bytes(handle, 5), [0, 3, 3, 2, 1]);
    rig.guest.send(handle, &[5]);
    assert_eq!(rig.guest.receive_bytes(handle, 4), [0, 2, 5, 4]);
    rig.guest.tcp(handle).close();
    rig.guest.until("end", |guest| guest.tcp(handle).state() == State::TimeWait);
    rig.guest.until("no connection", |_| rig.reports.counters.connections() == 0);
}
