//! What a hostile or a busy box can do: everything is bounded, and honest work is not hurt.

use std::{
    fs,
    io::{Read, Write},
    net::{IpAddr, TcpListener},
    thread,
    time::{Duration, Instant},
};

use boxlite_spec::network::{NetworkLimits, rule::Protocol};
use smoltcp::socket::tcp::State;

use super::{
    alone::{Memory, is_alone},
    raw::packet,
    rig::{Choice, bytes, rig, rig_with, server},
};
use crate::gateway::parts::Patience;

/// Answers each connection's first byte with two, and ends it.
fn serve(listener: TcpListener) {
    thread::spawn(move || {
        while let Ok((mut peer, _)) = listener.accept() {
            let mut byte = [0];
            if peer.read_exact(&mut byte).is_ok() {
                let _ = peer.write_all(&[byte[0], byte[0]]);
            }
        }
    });
}

fn descriptors() -> usize {
    fs::read_dir("/proc/self/fd").unwrap().count()
}

#[test]
fn network_pitfalls_many_connections_a_thousand_at_once() {
    let (listener, to) = server();
    let mut rig = rig();
    rig.guest.set_buffer(2048);
    let accepted = thread::spawn(move || (0..1000).map(|_| listener.accept().unwrap().0).collect::<Vec<_>>());
    let handles: Vec<_> = (0..1000).map(|_| rig.guest.connect(to)).collect();
    rig.guest.until("all are connected", |guest| {
        handles.iter().all(|handle| guest.tcp(*handle).state() == State::Established)
    });
    assert_eq!(rig.reports.counters.connections(), 1000);
    for handle in &handles {
        rig.guest.tcp(*handle).send_slice(b"?").unwrap();
    }
    rig.guest.until("all are accepted", |_| accepted.is_finished());
    let peers = accepted.join().unwrap();
    let answering = thread::spawn(move || {
        for mut peer in peers {
            peer.read_exact(&mut [0]).unwrap();
            peer.write_all(b"!").unwrap();
        }
    });
    rig.guest.until("all are answered", |guest| handles.iter().all(|handle| guest.tcp(*handle).can_recv()));
    answering.join().unwrap();
    for handle in handles {
        rig.guest.tcp(handle).close();
    }
    rig.guest.until("no connection", |_| rig.reports.counters.connections() == 0);
}

#[test]
fn network_pitfalls_many_connections_ten_thousand_in_a_row_leak_nothing() {
    let (listener, to) = server();
    serve(listener);
    let mut rig = rig();
    rig.guest.set_buffer(2048);
    let mut round = |count: usize| {
        let handles: Vec<_> = (0..count).map(|_| rig.guest.connect(to)).collect();
        rig.guest.until("all are connected", |guest| {
            handles.iter().all(|handle| guest.tcp(*handle).state() == State::Established)
        });
        for handle in &handles {
            rig.guest.tcp(*handle).send_slice(b"a").unwrap();
        }
        rig.guest.until("all are answered", |guest| {
            handles
                .iter()
                .all(|handle| guest.tcp(*handle).recv_queue() == 2 && !guest.tcp(*handle).may_send())
                || handles.iter().all(|handle| guest.tcp(*handle).state() == State::CloseWait)
        });
        for handle in &handles {
            rig.guest.tcp(*handle).close();
        }
        rig.guest.until("all are closed", |guest| {
            handles.iter().all(|handle| guest.tcp(*handle).state() == State::Closed)
        });
        for handle in handles {
            rig.guest.remove(handle);
        }
    };
    for _ in 0..5 {
        round(100);
    }
    let process = Memory::of_this_process();
    let (files, memory) = (descriptors(), process.resident_kib());
    for _ in 0..95 {
        round(100);
    }
    rig.guest.until("no connection", |_| rig.reports.counters.connections() == 0);
    let (files_after, memory_after) = (descriptors(), process.resident_kib());
    println!("descriptors {files} → {files_after}, memory {memory} → {memory_after} KiB");
    assert_eq!(rig.reports.counters.read().connections_total, 10_000);
    // Other tests run beside this one.
    assert!(files_after < files + 2000, "{files} → {files_after}");
    assert!(memory_after < memory + 200_000, "{memory} → {memory_after} KiB");
}

#[test]
fn network_pitfalls_many_connections_over_the_cap_they_wait_and_then_there_is_an_event() {
    let (listener, to) = server();
    let limits = NetworkLimits { connections: 2, new_per_second: 1000, ..NetworkLimits::default() };
    let patience = Patience { place: Duration::from_millis(500), ..Patience::default() };
    let mut rig = rig_with(Choice { limits, patience, ..Choice::default() });
    let mut refusals = rig.reports.refusals.subscribe();
    let (first, second) = (rig.guest.connected(to), rig.guest.connected(to));
    let third = rig.guest.connect(to);
    rig.guest.pause(Duration::from_millis(50));
    assert_eq!(rig.guest.tcp(third).state(), State::SynSent);
    rig.guest.tcp(first).abort();
    rig.guest.until("the third has a place", |guest| guest.tcp(third).state() == State::Established);
    assert!(refusals.try_recv().is_err());
    rig.guest.connect(to);
    rig.guest.until("ICMP", |guest| guest.others.len() == 1);
    assert_eq!(refusals.try_recv().unwrap().rule, "limit");
    assert_eq!(rig.guest.tcp(second).state(), State::Established);
    drop(listener);
}

#[test]
fn network_pitfalls_many_connections_a_burst_over_the_rate_waits_and_is_not_lost() {
    let (listener, to) = server();
    let accepting = thread::spawn(move || (0..150).map(|_| listener.accept().unwrap().0).collect::<Vec<_>>());
    let limits = NetworkLimits { new_per_second: 100, ..NetworkLimits::default() };
    let mut rig = rig_with(Choice { limits, ..Choice::default() });
    rig.guest.set_buffer(2048);
    let began = Instant::now();
    let handles: Vec<_> = (0..150).map(|_| rig.guest.connect(to)).collect();
    rig.guest.until("all are connected", |guest| {
        handles.iter().all(|handle| guest.tcp(*handle).state() == State::Established)
    });
    let passed = began.elapsed();
    for handle in handles {
        rig.guest.tcp(handle).send_slice(b"?").unwrap();
    }
    rig.guest.until("all are accepted", |_| accepting.is_finished());
    assert!(passed > Duration::from_millis(400) && passed < Duration::from_secs(5), "{passed:?}");
}

#[test]
fn network_pitfalls_many_connections_a_host_without_descriptors_is_waited_for() {
    const NAME: &str = "bounds::network_pitfalls_many_connections_a_host_without_descriptors_is_waited_for";
    if !is_alone(NAME, 48) {
        return;
    }
    let (listener, to) = server();
    let mut rig = rig();
    rig.guest.set_buffer(2048);
    let mut waiting: Vec<_> = (0..60).map(|_| rig.guest.connect(to)).collect();
    let mut open = Vec::new();
    // Every connection that there is takes a descriptor, so the others get theirs as these end.
    rig.guest.until("all had their turn", |guest| {
        let established = |handle: &_| guest.tcp(*handle).state() == State::Established;
        let (now, later): (Vec<_>, Vec<_>) = waiting.iter().copied().partition(established);
        waiting = later;
        open.extend(now);
        if open.len() > 20 || waiting.len() < 20 {
            for handle in open.drain(..) {
                guest.tcp(handle).abort();
            }
        }
        waiting.is_empty()
    });
    assert_eq!(rig.guest.resets, 0);
    drop(listener);
}

#[test]
fn spoofed_sources_are_dropped_and_counted() {
    let (listener, to) = server();
    listener.set_nonblocking(true).unwrap();
    let mut rig = rig();
    let syn = |from: [u8; 4]| packet(from.into(), to, Protocol::Tcp, &[]);
    let own = rig.guest.link.v4.guest.octets();
    // Another address, another hardware address, and a fragment.
    let mut frames = vec![
        [rig.guest.header([8, 0]), syn([10, 107, 0, 9])].concat(),
        [rig.guest.header([8, 0]), syn([127, 0, 0, 1])].concat(),
        [rig.guest.header([8, 0]), syn(own)].concat(),
        [rig.guest.header([8, 0]), syn(own)].concat(),
    ];
    frames[2][11] ^= 1;
    frames[3][20] = 0x20;
    for frame in &frames {
        rig.guest.send_frame(frame);
    }
    rig.guest.until("all are dropped", |_| rig.reports.counters.read().dropped_packets == 4);
    assert!(listener.accept().is_err());
    assert_eq!((rig.guest.syn_acks, rig.guest.resets), (0, 0));
}

#[test]
fn network_pitfalls_frames_a_syn_with_more_data_than_a_packet_holds_is_dropped() {
    let (listener, to) = server();
    let mut rig = rig();
    let own = IpAddr::V4(rig.guest.link.v4.guest);
    // Each would be kept until its other end has been dialled.
    for data in [60_000, 1501, 1500] {
        let syn = [rig.guest.header([8, 0]), packet(own, to, Protocol::Tcp, &vec![7; data])].concat();
        rig.guest.send_frame(&syn);
    }
    rig.guest.until("one is answered", |guest| guest.syn_acks == 1);
    listener.accept().unwrap();
    let metrics = rig.reports.counters.read();
    assert_eq!((metrics.dropped_packets, metrics.connections_total), (2, 1));
}

#[test]
fn frames_of_other_protocols_go_to_their_handler_and_come_back() {
    let mut rig = rig();
    let frame = [rig.guest.header([0x08, 0x06]), bytes(28)].concat();
    rig.guest.send_frame(&frame);
    rig.guest.until("a frame", |guest| guest.others.len() == 1);
    assert_eq!(rig.guest.others[0][12..], frame[12..]);
}

#[test]
fn network_pitfalls_frames_a_length_that_no_frame_has_ends_the_link() {
    for length in [0_u32, 65_551, u32::MAX] {
        let mut rig = rig();
        rig.guest.write(&length.to_be_bytes());
        rig.guest.until_hung_up();
    }
    // The longest that there is, is none of these.
    let mut rig = rig();
    let mut frame = rig.guest.header([0x08, 0x06]);
    frame.resize(65_549, 7);
    rig.guest.send_frame(&frame);
    rig.guest.until("it comes back", |guest| guest.others.len() == 1);
}

#[test]
fn network_pitfalls_frames_garbage_harms_nobody() {
    let (listener, to) = server();
    let mut rig = rig();
    let handle = rig.guest.connected(to);
    let (mut peer, _) = listener.accept().unwrap();
    let random = bytes(400_000);
    let mut at = 0;
    for round in 0..3000_usize {
        let length = 1 + (usize::from(random[at]) << 4) % 1600;
        let mut frame = random[at..at + length].to_vec();
        at = (at + 131) % 390_000;
        // Most of them get far enough to be read.
        let header = rig.guest.header(if round % 2 == 0 { [8, 0] } else { [0x86, 0xdd] });
        if round % 5 != 0 && frame.len() > 60 {
            frame[..14].copy_from_slice(&header);
            let v4 = round % 2 == 0;
            if v4 {
                frame[14] = 0x45;
                let length = u16::try_from(frame.len() - 14).unwrap().to_be_bytes();
                frame[16..18].copy_from_slice(&length);
                frame[20..22].copy_from_slice(&[0x40, 0]);
                frame[23] = 6;
                frame[26..34].copy_from_slice(&[10, 107, 0, 2, 203, 0, 113, 66]);
            }
        }
        rig.guest.send_frame(&frame);
        rig.guest.step();
    }
    rig.guest.send(handle, b"still here");
    rig.guest.pause(Duration::from_millis(20));
    let mut read = [0; 10];
    peer.read_exact(&mut read).unwrap();
    assert_eq!(&read, b"still here");
}
