//! A box that sends all it can of every kind, and reads little: the gateway takes no more memory than its bounds say, and goes on.

use std::net::IpAddr;

use boxlite_spec::network::rule::Protocol;

use super::{
    alone::{Memory, is_alone},
    host::start,
    raw::packet,
    rig::silent_server,
};
use crate::{gateway::checksum, sample::policy};

/// Packets of each kind.
const COUNT: u16 = 6000;
/// More than all bounds together: of SYNs and datagrams that wait, of fragments, and of frames to the box.
const MEMORY_KIB: usize = 64 << 10;

#[test]
fn network_pitfalls_frames_a_flood_of_every_kind_takes_bounded_memory() {
    const NAME: &str = "flood::network_pitfalls_frames_a_flood_of_every_kind_takes_bounded_memory";
    if !is_alone(NAME, 1024) {
        return;
    }
    let (_server, _queue, silent) = silent_server();
    let (_gateway, mut guest, reports) = start(policy(Some(&["host"]), &[]));
    let (own, host) = (IpAddr::V4(guest.link.v4.guest), guest.link.v4.host);
    let header = guest.header([8, 0]);
    let memory = Memory::of_this_process();
    let (before, mut sent) = (memory.resident_kib(), 0);
    for number in 0..COUNT {
        // Every one from a port of its own: SYNs that nobody answers, some of them huge, datagrams, and parts whose others never come.
        let data = vec![7; if number % 2 == 0 { 60_000 } else { 1500 }];
        let mut syn = packet(own, (host, silent).into(), Protocol::Tcp, &data);
        let mut datagram = packet(own, (host, 9).into(), Protocol::Udp, &[7; 1400]);
        for packet in [&mut syn, &mut datagram] {
            packet[20..22].copy_from_slice(&(1024 + number).to_be_bytes());
        }
        let mut part = datagram.clone();
        part[4..6].copy_from_slice(&number.to_be_bytes());
        part[6] = 0x20;
        part[10..12].fill(0);
        let sum = checksum::of(&part[..20]);
        part[10..12].copy_from_slice(&sum);
        for packet in [&syn, &datagram, &part] {
            guest.send_frame(&[&header[..], packet].concat());
            sent += 1;
        }
        if number % 100 == 0 {
            guest.step();
            guest.others.clear();
        }
    }
    guest.until("all are read", |guest| {
        guest.others.clear();
        reports.counters.read().sent_packets >= sent
    });
    let taken = memory.resident_kib().saturating_sub(before);
    let metrics = reports.counters.read();
    println!("{taken} KiB, {metrics:?}");
    assert!(taken < MEMORY_KIB, "{taken} KiB");
    assert!(metrics.connections <= 8192 && metrics.dropped_packets >= u64::from(COUNT / 2), "{metrics:?}");

    let gateway = guest.link.v4.gateway;
    let ping = packet(own, (gateway, 0).into(), Protocol::Icmp, b"still there");
    guest.send_frame(&[&header[..], &ping].concat());
    guest.until("an echo of the gateway", |guest| {
        guest.others.iter().any(|frame| frame[26..30] == gateway.octets() && frame.ends_with(b"still there"))
    });
}
