//! How connections end.

use std::{
    io::{ErrorKind, Read, Write},
    net::Shutdown,
    time::Duration,
};

use boxlite_spec::network::rule::{Policy, Rule, Target};
use ipnet::IpNet;
use smoltcp::socket::tcp::State;
use socket2::SockRef;

use super::rig::{Choice, OUTSIDE, bytes, rig, rig_with, server};
use crate::{backend::NetworkBackend, gateway::parts::Patience};

#[test]
fn network_pitfalls_half_close_the_boxs_end_is_passed_on_and_the_answer_comes_after_it() {
    let (listener, to) = server();
    let mut rig = rig();
    let handle = rig.guest.connected(to);
    let (mut peer, _) = listener.accept().unwrap();
    let sent = bytes(300_000);
    let expected = sent.clone();
    let served = std::thread::spawn(move || {
        let mut read = Vec::new();
        peer.read_to_end(&mut read).unwrap();
        assert!(read == expected);
        peer.write_all(&read).unwrap();
    });
    rig.guest.send(handle, &sent);
    rig.guest.tcp(handle).close();
    let answer = rig.guest.receive_bytes(handle, usize::MAX);
    assert!(answer == sent);
    served.join().unwrap();
    rig.guest.until("no connection", |_| rig.reports.counters.connections() == 0);
    assert_eq!(rig.guest.resets, 0);
}

#[test]
fn network_pitfalls_half_close_the_servers_end_is_passed_on_and_the_box_goes_on() {
    let (listener, to) = server();
    let mut rig = rig();
    let handle = rig.guest.connected(to);
    let (mut peer, _) = listener.accept().unwrap();
    peer.write_all(b"that was all").unwrap();
    peer.shutdown(Shutdown::Write).unwrap();
    assert_eq!(rig.guest.receive_bytes(handle, usize::MAX), b"that was all");
    rig.guest.until("the end", |guest| guest.tcp(handle).state() == State::CloseWait);
    let sent = bytes(300_000);
    let expected = sent.clone();
    let served = std::thread::spawn(move || {
        let mut read = Vec::new();
        peer.read_to_end(&mut read).unwrap();
        assert!(read == expected);
    });
    rig.guest.send(handle, &sent);
    rig.guest.tcp(handle).close();
    rig.guest.until("closed", |guest| guest.tcp(handle).state() == State::Closed);
    served.join().unwrap();
    rig.guest.until("no connection", |_| rig.reports.counters.connections() == 0);
    assert_eq!(rig.guest.resets, 0);
}

#[test]
fn network_pitfalls_half_close_one_that_is_idle_is_ended() {
    let (listener, to) = server();
    let patience = Patience { half_closed: Duration::from_millis(300), ..Patience::default() };
    let mut rig = rig_with(Choice { patience, ..Choice::default() });
    let (by_box, by_server) = (rig.guest.connected(to), rig.guest.connected(to));
    let (mut first, _) = listener.accept().unwrap();
    let (second, _) = listener.accept().unwrap();
    rig.guest.tcp(by_box).close();
    second.shutdown(Shutdown::Write).unwrap();
    // One that is open both ways may be idle for ever.
    let open = rig.guest.connected(to);
    rig.guest.until("both are reset", |guest| {
        guest.tcp(by_box).state() == State::Closed && guest.tcp(by_server).state() == State::Closed
    });
    rig.guest.until("one connection", |_| rig.reports.counters.connections() == 1);
    let mut read = Vec::new();
    assert!(first.read_to_end(&mut read).is_ok() || !read.is_empty() || rig.guest.resets == 2);
    assert_eq!(rig.guest.tcp(open).state(), State::Established);
}

#[test]
fn network_pitfalls_rst_of_the_box_resets_the_server() {
    let (listener, to) = server();
    let mut rig = rig();
    let handle = rig.guest.connected(to);
    let (mut peer, _) = listener.accept().unwrap();
    rig.guest.tcp(handle).abort();
    rig.guest.until("no connection", |_| rig.reports.counters.connections() == 0);
    assert_eq!(peer.read(&mut [0]).unwrap_err().kind(), ErrorKind::ConnectionReset);
}

#[test]
fn network_pitfalls_rst_of_the_server_resets_the_box_after_its_bytes() {
    let (listener, to) = server();
    let mut rig = rig();
    let handle = rig.guest.connected(to);
    let (mut peer, _) = listener.accept().unwrap();
    peer.write_all(b"last words").unwrap();
    assert_eq!(rig.guest.receive_bytes(handle, 10), b"last words");
    SockRef::from(&peer).set_linger(Some(Duration::ZERO)).unwrap();
    drop(peer);
    rig.guest.until("reset", |guest| guest.tcp(handle).state() == State::Closed);
    assert_eq!(rig.guest.resets, 1);
    rig.guest.until("no connection", |_| rig.reports.counters.connections() == 0);
}

#[test]
fn a_new_policy_ends_what_it_refuses() {
    let (listener, to) = server();
    let mut rig = rig();
    let handle = rig.guest.connected(to);
    let (mut peer, _) = listener.accept().unwrap();
    let other = rig.guest.connected(([203, 0, 113, 8], to.port()).into());
    let rule =
        Rule { target: Target::Net(IpNet::from(std::net::IpAddr::V4(OUTSIDE))), ports: None, protocol: None };
    rig.gateway.set_policy(&Policy { allow: None, deny: vec![rule] }).unwrap();
    rig.guest.until("reset", |guest| guest.tcp(handle).state() == State::Closed);
    assert_eq!(peer.read(&mut [0]).unwrap_err().kind(), ErrorKind::ConnectionReset);
    assert_eq!(rig.guest.tcp(other).state(), State::Established);
}

#[test]
fn a_gateway_that_is_stopped_leaves_nothing() {
    let (listener, to) = server();
    let mut rig = rig();
    rig.guest.connected(to);
    let (mut peer, _) = listener.accept().unwrap();
    rig.gateway.stop();
    rig.guest.until_hung_up();
    assert!(matches!(peer.read(&mut [0]), Ok(0) | Err(_)));
    // Stopping again, or asking it for something, is no error.
    rig.gateway.stop();
    rig.gateway.set_policy(&Policy::default()).unwrap();
}
