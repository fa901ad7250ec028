//! UDP through the gateway.

use std::{
    collections::{HashMap, HashSet},
    net::SocketAddr,
    time::{Duration, Instant},
};

use boxlite_spec::network::NetworkLimits;
use tokio::time::{sleep, timeout};

use super::rig::{
    Choice, GATEWAY, GATEWAY6, HOST, OUTSIDE, OUTSIDE6, Rig, echo_server, refused, server, to_loopback,
};
use crate::{
    decision::{Allowed, Decision},
    gateway::datagrams::{Datagrams, lives::Lives},
};

const SHORT: Lives = Lives {
    most: 64,
    most_echoes: 4,
    idle: Duration::from_secs(2),
    answered: Duration::from_millis(50),
    look: Duration::from_millis(10),
    wait: Duration::from_millis(300),
};

fn limits(connections: u32, new_per_second: u32) -> Choice {
    let limits = NetworkLimits { connections, new_per_second, ..NetworkLimits::default() };
    Choice { limits, ..Choice::default() }
}

#[tokio::test]
async fn a_datagram_goes_out_and_its_answer_comes_back() {
    let mut rig = Rig::new(Choice::default());
    for (v6, address) in [(false, OUTSIDE.into()), (true, OUTSIDE6.into())] {
        let to = SocketAddr::new(address, echo_server(v6).await.port());
        rig.udp(4000, to, b"hello");
        assert_eq!(rig.datagram().await.unwrap(), (to, 4000, b"hello".to_vec()));
        rig.udp(4000, to, b"");
        assert_eq!(rig.datagram().await.unwrap(), (to, 4000, Vec::new()));
    }
    assert_eq!((rig.handler.flows.open(), rig.dropped()), ((2, 2), 0));
    assert_eq!(rig.reports.counters.connections(), 2);
}

#[tokio::test]
async fn network_pitfalls_udp_lifetime_idle_flows_end_and_queries_soon_after_their_answer() {
    let mut rig = Rig::new(Choice { lives: SHORT, ..Choice::default() });
    let server = echo_server(false).await;
    rig.says(move |_| Decision::Allowed(Allowed { dial: server, name: None, by_name: false }));
    for port in [53, 5000] {
        rig.udp(port, (OUTSIDE, port).into(), b"x");
        rig.datagram().await.unwrap();
    }
    // A query without an answer is not forgotten so soon.
    let silent = super::rig::server(false).await;
    let silent = silent.local_addr().unwrap();
    rig.says(move |_| Decision::Allowed(Allowed { dial: silent, name: None, by_name: false }));
    rig.udp(54, (OUTSIDE, 53).into(), b"x");
    assert_eq!(rig.handler.flows.open(), (3, 3));
    sleep(SHORT.answered * 4).await;
    assert_eq!(rig.handler.flows.open(), (2, 2), "the answered query has ended");
    sleep(SHORT.idle).await;
    assert_eq!(rig.handler.flows.open(), (0, 0), "and so have the others, with their sockets");
    assert_eq!(rig.reports.counters.connections(), 0);
}

#[tokio::test]
async fn network_pitfalls_udp_lifetime_a_flow_lives_on_while_it_is_used() {
    let mut rig = Rig::new(Choice { lives: SHORT, ..Choice::default() });
    let to = SocketAddr::new(OUTSIDE.into(), echo_server(false).await.port());
    let mut opened = 0;
    for _ in 0..5 {
        rig.udp(4000, to, b"x");
        rig.datagram().await.unwrap();
        sleep(SHORT.idle / 3).await;
        opened = rig.reports.counters.read().connections_total;
    }
    assert_eq!(opened, 1);
}

#[tokio::test]
async fn network_pitfalls_udp_lifetime_the_least_recently_used_flows_give_way() {
    let mut rig = Rig::new(Choice { lives: SHORT, ..Choice::default() });
    let to = SocketAddr::new(OUTSIDE.into(), echo_server(false).await.port());
    for port in 1..=1000 {
        rig.udp(port, to, b"x");
        assert_eq!(rig.datagram().await.unwrap().1, port);
    }
    let (flows, sockets) = rig.handler.flows.open();
    assert!(flows <= SHORT.most && sockets <= SHORT.most, "{flows} flows, {sockets} sockets");
    // One port to many places is bounded too.
    for port in 1..=1000 {
        rig.udp(4000, (OUTSIDE, port).into(), b"x");
    }
    assert!(rig.handler.flows.open().0 <= SHORT.most);
}

#[tokio::test]
async fn a_flow_gives_way_where_all_places_are_taken() {
    let mut rig = Rig::new(limits(2, 2000));
    let to = SocketAddr::new(OUTSIDE.into(), echo_server(false).await.port());
    for port in 1..=10 {
        rig.udp(port, to, b"x");
        assert_eq!(rig.datagram().await.unwrap().1, port);
    }
    assert_eq!(rig.reports.counters.connections(), 2);
}

#[tokio::test]
async fn udp_without_a_place_is_told_at_once() {
    let mut rig = Rig::new(limits(0, 2000));
    rig.udp(4000, (OUTSIDE, 7000).into(), b"x");
    assert_eq!(rig.icmp().await.unwrap().1, (3, 13));
    assert_eq!(rig.refusals.try_recv().unwrap().rule, "limit");
}

#[tokio::test]
async fn network_pitfalls_many_connections_new_flows_over_the_rate_wait_and_lose_nothing() {
    let mut rig = Rig::new(limits(8192, 20));
    let to = SocketAddr::new(OUTSIDE.into(), echo_server(false).await.port());
    let began = Instant::now();
    // Each flow with two datagrams, which stay in their order.
    for port in 1..=50 {
        rig.udp(port, to, b"first");
        rig.udp(port, to, b"second");
    }
    let mut answers: HashMap<u16, Vec<Vec<u8>>> = HashMap::new();
    for _ in 0..100 {
        let (_, port, payload) = rig.datagram().await.unwrap();
        answers.entry(port).or_default().push(payload);
    }
    let passed = began.elapsed();
    assert!(passed > Duration::from_secs(1) && passed < Duration::from_secs(30), "{passed:?}");
    assert_eq!(answers.len(), 50);
    assert!(answers.values().all(|payloads| payloads[..] == [&b"first"[..], b"second"]));
    assert_eq!((rig.dropped(), rig.refusals.try_recv().is_err()), (0, true));
    // One that is open does not wait.
    rig.udp(50, to, b"third");
    assert_eq!(rig.datagram().await.unwrap().2, b"third");
}

#[tokio::test]
async fn network_pitfalls_many_connections_a_flow_that_waits_too_long_or_finds_no_room_is_told() {
    let mut rig = Rig::new(Choice { lives: SHORT, ..limits(8192, 1) });
    let server = server(false).await;
    let to = SocketAddr::new(OUTSIDE.into(), server.local_addr().unwrap().port());
    for port in 1..=4 {
        rig.udp(port, to, b"x");
    }
    assert_eq!(rig.handler.flows.open().0, 1);
    // The second begins in the next second, which is later than it may wait.
    assert_eq!(rig.icmp().await.unwrap().1, (3, 13));
    assert_eq!(rig.refusals.try_recv().unwrap().rule, "limit");
    let mut rig = Rig::new(limits(8192, 1));
    for port in 1..=20 {
        rig.udp(port, to, &vec![0; 60_000]);
    }
    assert_eq!(rig.icmp().await.unwrap().1, (3, 13));
    assert_eq!(rig.refusals.try_recv().unwrap().rule, "limit");
}

#[tokio::test]
async fn network_pitfalls_udp_size_the_largest_datagrams_pass_both_ways() {
    let mut rig = Rig::new(Choice::default());
    for (v6, address) in [(false, OUTSIDE.into()), (true, OUTSIDE6.into())] {
        let to = SocketAddr::new(address, echo_server(v6).await.port());
        for length in [1472, 1473, 9000, 65_507] {
            let payload: Vec<u8> = (0..length).map(|i| u8::try_from(i % 251).unwrap()).collect();
            rig.udp(4000, to, &payload);
            let (from, port, back) = rig.datagram().await.unwrap();
            assert_eq!((from, port, back.len()), (to, 4000, length));
            assert!(back == payload);
        }
    }
    assert_eq!(rig.dropped(), 0);
}

#[tokio::test]
async fn every_peer_sees_the_same_outer_port_and_strangers_do_not_get_in() {
    let mut rig = Rig::new(Choice::default());
    let (one, two, stranger) = (server(false).await, server(false).await, server(false).await);
    let mut seen = HashSet::new();
    for peer in [&one, &two] {
        rig.udp(4000, (OUTSIDE, peer.local_addr().unwrap().port()).into(), b"x");
        let mut room = [0; 10];
        seen.insert(timeout(Duration::from_secs(5), peer.recv_from(&mut room)).await.unwrap().unwrap().1);
    }
    let [outer] = seen.into_iter().collect::<Vec<_>>()[..] else { panic!("several outer ports") };
    let outer = SocketAddr::new([127, 0, 0, 1].into(), outer.port());
    stranger.send_to(b"stranger", outer).await.unwrap();
    two.send_to(b"two", outer).await.unwrap();
    assert_eq!(rig.datagram().await.unwrap().2, b"two");
    assert!(rig.is_silent().await);
}

#[tokio::test]
async fn answers_of_the_host_come_from_its_address_on_the_link() {
    let mut rig = Rig::new(Choice::default());
    let to = SocketAddr::new(HOST.into(), echo_server(false).await.port());
    rig.udp(4000, to, b"x");
    assert_eq!(rig.datagram().await.unwrap().0, to);
}

#[tokio::test]
async fn a_closed_port_is_told_at_once() {
    let mut rig = Rig::new(Choice::default());
    for (v6, address, expected) in [(false, OUTSIDE.into(), (3, 3)), (true, OUTSIDE6.into(), (1, 4))] {
        let closed = server(v6).await.local_addr().unwrap().port();
        rig.udp(4000, SocketAddr::new(address, closed), b"x");
        let (_, kind, rest) = rig.icmp().await.unwrap();
        assert_eq!(kind, expected);
        // After the unused word and the IP header: the ports.
        let header = 4 + if v6 { 40 } else { 20 };
        assert_eq!(rest[header..header + 4], [4000_u16.to_be_bytes(), closed.to_be_bytes()].concat());
    }
}

#[tokio::test]
async fn a_new_policy_ends_what_it_refuses() {
    let mut rig = Rig::new(Choice::default());
    let (kept, ended) = (server(false).await, server(false).await);
    let ports = [&kept, &ended].map(|peer| peer.local_addr().unwrap().port());
    let mut outer = None;
    for (peer, port) in [&kept, &ended].into_iter().zip(ports) {
        rig.udp(4000, (OUTSIDE, port).into(), b"x");
        outer = Some(peer.recv_from(&mut [0; 10]).await.unwrap().1);
    }
    rig.says(move |to| if to.port == ports[1] { refused(to) } else { to_loopback(to) });
    rig.handler.recheck();
    ended.send_to(b"ended", outer.unwrap()).await.unwrap();
    kept.send_to(b"kept", outer.unwrap()).await.unwrap();
    assert_eq!(rig.datagram().await.unwrap().2, b"kept");
    rig.udp(4000, (OUTSIDE, ports[1]).into(), b"x");
    assert_eq!(rig.icmp().await.unwrap().1, (3, 13));
    assert_eq!(rig.reports.counters.connections(), 1);
}

#[tokio::test]
async fn queries_to_the_gateway_are_answered_by_the_name_server() {
    let mut rig = Rig::new(Choice::default());
    for gateway in [GATEWAY.into(), GATEWAY6.into()] {
        let to = SocketAddr::new(gateway, 53);
        rig.says(refused);
        rig.udp(4000, to, b"query");
        assert_eq!(rig.datagram().await.unwrap(), (to, 4000, b"yreuq".to_vec()));
    }
}

#[tokio::test]
async fn the_gateway_has_no_other_service() {
    let mut rig = Rig::new(Choice::default());
    rig.udp(4000, (GATEWAY, 80).into(), b"x");
    assert_eq!(rig.icmp().await.unwrap().1, (3, 3));
    assert_eq!(rig.handler.flows.open(), (0, 0));
}
