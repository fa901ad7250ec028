//! The relay between a machine and a program, both played by the tests.

use std::{
    io::{Read as _, Write as _},
    os::unix::net::UnixStream,
    time::Duration,
};

use boxlite_spec::network::NetworkLimits;
use tokio::time::timeout;

use super::relay::{Ended, Relay};
use crate::{
    backend::Reports,
    gateway::link::{self, Link},
    packet_filter::{FilterPolicy, PacketFilter},
    sample::network,
};

/// A frame of ARP from the box, which always passes, of this length.
fn arp(length: usize) -> Vec<u8> {
    let mut frame = vec![7; length];
    frame[6..12].copy_from_slice(&[2, 0, 0, 0, 0, 1]);
    frame[12..14].copy_from_slice(&[8, 6]);
    frame
}

fn on_wire(frame: &[u8]) -> Vec<u8> {
    [&u32::try_from(frame.len()).unwrap().to_be_bytes(), frame].concat()
}

fn side() -> (Link, UnixStream) {
    let (ours, theirs) = link::pair().unwrap();
    (Link::new(ours, &NetworkLimits::default()).unwrap(), theirs.into())
}

fn relay(machine: Link, reports: &Reports) -> Relay {
    let filter = PacketFilter::new(network().link, FilterPolicy::new(&network()), reports.clone());
    Relay::new(machine, filter, &reports.counters)
}

#[tokio::test]
async fn frames_pass_each_way_whole_and_are_counted() {
    const FRAMES: usize = 3000;
    let (machine, mut guest) = side();
    let (program, mut gvproxy) = side();
    let reports = Reports::default();
    let mut relay = relay(machine, &reports);
    relay.set_program(Some(program));
    let sent: Vec<u8> = (0..FRAMES).flat_map(|i| on_wire(&arp(60 + i % 1400))).collect();
    let (length, expected) = (sent.len(), sent.clone());
    let (mut up, mut down) = (guest.try_clone().unwrap(), gvproxy.try_clone().unwrap());
    let back = sent.clone();
    let threads = [
        std::thread::spawn(move || up.write_all(&sent).unwrap()),
        std::thread::spawn(move || down.write_all(&back).unwrap()),
    ];
    let read = move |mut from: UnixStream| {
        std::thread::spawn(move || {
            let mut bytes = vec![0; length];
            from.read_exact(&mut bytes).unwrap();
            (from, bytes)
        })
    };
    let (at_program, at_guest) = (read(gvproxy.try_clone().unwrap()), read(guest.try_clone().unwrap()));
    let ended = tokio::spawn(async move { relay.run().await });
    let joined = tokio::task::spawn_blocking(move || {
        for thread in threads {
            thread.join().unwrap();
        }
        (at_program.join().unwrap().1, at_guest.join().unwrap().1)
    });
    let (at_program, at_guest) = timeout(Duration::from_mins(1), joined).await.unwrap().unwrap();
    assert!(at_program == expected && at_guest == expected);
    let read = reports.counters.read();
    assert_eq!((read.sent_packets, read.received_packets), (FRAMES as u64, FRAMES as u64));
    guest.flush().unwrap();
    gvproxy.flush().unwrap();
    drop(guest);
    assert_eq!(timeout(Duration::from_secs(20), ended).await.unwrap().unwrap(), Ended::Machine);
}

#[tokio::test]
async fn the_machines_link_outlives_the_program() {
    let (machine, mut guest) = side();
    let (program, gvproxy) = side();
    let reports = Reports::default();
    let mut relay = relay(machine, &reports);
    relay.set_program(Some(program));
    drop(gvproxy);
    assert_eq!(relay.run().await, Ended::Program);
    relay.set_program(None);
    // While there is none, frames are taken and nothing waits for the next one.
    guest.write_all(&on_wire(&arp(60)).repeat(1000)).unwrap();
    assert!(timeout(Duration::from_millis(200), relay.run()).await.is_err());
    let (program, mut gvproxy) = side();
    relay.set_program(Some(program));
    guest.write_all(&on_wire(&arp(64))).unwrap();
    assert!(timeout(Duration::from_millis(200), relay.run()).await.is_err());
    let mut bytes = vec![0; 68];
    gvproxy.read_exact(&mut bytes).unwrap();
    assert_eq!(bytes, on_wire(&arp(64)));
    assert_eq!(reports.counters.read().sent_packets, 1001);
}
