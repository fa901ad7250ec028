//! How bytes flow: back-pressure, never loss, and no missed wake-up.

use std::{
    io::{Read, Write},
    net::IpAddr,
    thread,
    time::{Duration, Instant},
};

use boxlite_spec::network::NetworkLimits;

use super::rig::{Choice, OUTSIDE, OUTSIDE_V6, bytes, rig, rig_with, server};

const MIB: usize = 1 << 20;

#[test]
fn network_pitfalls_missed_wake_ups_a_slow_server_is_heard_at_once() {
    let (listener, to) = server();
    let mut rig = rig();
    let handle = rig.guest.connected(to);
    let (mut peer, _) = listener.accept().unwrap();
    peer.set_nodelay(true).unwrap();
    for round in 0..50_u8 {
        peer.write_all(&[round; 100]).unwrap();
        let began = Instant::now();
        assert_eq!(rig.guest.receive_bytes(handle, 100), [round; 100]);
        rig.guest.send(handle, &[round]);
        rig.guest.step();
        let mut byte = [0];
        peer.read_exact(&mut byte).unwrap();
        assert!(began.elapsed() < Duration::from_millis(500), "{round}: {:?}", began.elapsed());
    }
}

#[test]
fn network_pitfalls_buffers_against_queue_a_box_that_reads_slowly_loses_nothing() {
    let (listener, to) = server();
    let mut rig = rig();
    rig.guest.set_buffer(32 * 1024);
    let handle = rig.guest.connected(to);
    let (mut peer, _) = listener.accept().unwrap();
    let sent = bytes(24 * MIB);
    let expected = sent.clone();
    let writer = thread::spawn(move || peer.write_all(&sent).unwrap());
    // The box reads nothing for a while. Then the server waits, and the gateway holds no more than its buffers.
    rig.guest.pause(Duration::from_millis(200));
    assert!(!writer.is_finished());
    let mut received = Vec::new();
    while received.len() < expected.len() {
        let piece = rig.guest.receive_bytes(handle, 30_000.min(expected.len() - received.len()));
        received.extend(piece);
        if received.len() % 3_000_000 < 30_000 {
            rig.guest.pause(Duration::from_millis(2));
        }
    }
    assert!(received == expected);
    writer.join().unwrap();
}

#[test]
fn network_pitfalls_buffers_against_queue_a_box_that_reads_no_frames_loses_nothing() {
    let (listener, to) = server();
    let mut rig = rig();
    let handles: Vec<_> = (0..8).map(|_| rig.guest.connected(to)).collect();
    let sent = bytes(MIB);
    let writers: Vec<_> = (0..8)
        .map(|_| {
            let (mut peer, _) = listener.accept().unwrap();
            let sent = sent.clone();
            thread::spawn(move || peer.write_all(&sent).unwrap())
        })
        .collect();
    // The link fills up, since the machine does not run.
    thread::sleep(Duration::from_millis(1500));
    for handle in handles {
        assert!(rig.guest.receive_bytes(handle, MIB) == sent);
    }
    for writer in writers {
        writer.join().unwrap();
    }
}

#[test]
fn network_pitfalls_missed_wake_ups_a_server_that_reads_slowly_gets_everything() {
    let (listener, to) = server();
    let mut rig = rig();
    let handle = rig.guest.connected(to);
    let (mut peer, _) = listener.accept().unwrap();
    let sent = bytes(4 * MIB);
    let expected = sent.clone();
    let reader = thread::spawn(move || {
        let (mut read, mut buffer) = (Vec::new(), vec![0; 50_000]);
        thread::sleep(Duration::from_millis(200));
        loop {
            match peer.read(&mut buffer).unwrap() {
                0 => return read,
                count => read.extend_from_slice(&buffer[..count]),
            }
            thread::sleep(Duration::from_micros(500));
        }
    });
    rig.guest.send(handle, &sent);
    rig.guest.tcp(handle).close();
    rig.guest.until("all is read", |_| reader.is_finished());
    assert!(reader.join().unwrap() == expected);
}

/// The largest frame of a download of a megabyte from an address outside.
fn largest_frame(outside: IpAddr, offload: bool) -> usize {
    let (listener, to) = server();
    let mut rig = rig_with(Choice { offload, ..Choice::default() });
    let handle = rig.guest.connected((outside, to.port()).into());
    let (mut peer, _) = listener.accept().unwrap();
    let sent = bytes(MIB);
    let expected = sent.clone();
    let writer = thread::spawn(move || peer.write_all(&sent).unwrap());
    assert!(rig.guest.receive_bytes(handle, MIB) == expected, "{outside}");
    writer.join().unwrap();
    rig.guest.largest
}

#[test]
fn network_pitfalls_mtu_without_offload_no_frame_is_larger_than_it() {
    assert_eq!(largest_frame(OUTSIDE.into(), false), 1514);
    assert_eq!(largest_frame(OUTSIDE_V6.into(), false), 1514);
}

#[test]
fn network_pitfalls_mtu_speed_is_by_large_frames_on_the_link_where_the_machine_takes_them() {
    for outside in [OUTSIDE.into(), OUTSIDE_V6.into()] {
        let largest = largest_frame(outside, true);
        assert!(largest > 30_000, "{outside}: {largest}");
    }
}

#[test]
fn bandwidth_is_bounded_by_waiting_not_by_loss() {
    let limits =
        NetworkLimits { up: 2_000_000, down: 1_000_000, new_per_second: 1000, ..NetworkLimits::default() };
    let (listener, to) = server();
    let mut rig = rig_with(Choice { limits, ..Choice::default() });
    let handle = rig.guest.connected(to);
    let (mut peer, _) = listener.accept().unwrap();
    let (sent, began) = (bytes(500_000), Instant::now());
    let expected = sent.clone();
    let mut writer = peer.try_clone().unwrap();
    let writing = thread::spawn(move || writer.write_all(&sent).unwrap());
    assert!(rig.guest.receive_bytes(handle, 500_000) == expected);
    let down = began.elapsed();
    writing.join().unwrap();
    let began = Instant::now();
    let reading = thread::spawn(move || {
        let mut read = vec![0; 500_000];
        peer.read_exact(&mut read).unwrap();
        read
    });
    rig.guest.send(handle, &expected);
    rig.guest.until("all is read", |_| reading.is_finished());
    let up = began.elapsed();
    assert!(reading.join().unwrap() == expected);
    assert!(down > Duration::from_millis(350) && down < Duration::from_secs(5), "{down:?}");
    assert!(up > Duration::from_millis(150) && up < Duration::from_secs(5), "{up:?}");
    assert_eq!(rig.guest.resets, 0);
}

/// The time that the gateway's thread has run, in nanoseconds. Where several run, the one that ran longest.
fn gateway_time() -> u64 {
    let tasks = std::fs::read_dir("/proc/self/task").unwrap().flatten().map(|task| task.path());
    let named =
        tasks.filter(|task| std::fs::read_to_string(task.join("comm")).is_ok_and(|name| name == "gateway\n"));
    let times = named.filter_map(|task| {
        let text = std::fs::read_to_string(task.join("schedstat")).ok()?;
        text.split(' ').next()?.parse().ok()
    });
    times.max().unwrap_or(0)
}

#[test]
fn bulk_goes_both_ways_whole() {
    let size = if cfg!(debug_assertions) { 16 * MIB } else { 128 * MIB };
    let (listener, to) = server();
    let mut rig = rig();
    rig.guest.set_buffer(512 * 1024);
    let handle = rig.guest.connected(to);
    let (mut peer, _) = listener.accept().unwrap();
    let chunk = bytes(MIB);
    let (mut writer, whole) = (peer.try_clone().unwrap(), chunk.clone());
    let (began, before) = (Instant::now(), gateway_time());
    let writing = thread::spawn(move || (0..size / MIB).for_each(|_| writer.write_all(&whole).unwrap()));
    let mut received = 0;
    rig.guest.until_within("download", Duration::from_mins(1), |guest| {
        while guest.tcp(handle).can_recv() {
            received += guest
                .tcp(handle)
                .recv(|some| {
                    let at = received % MIB;
                    let count = some.len().min(MIB - at);
                    assert!(some[..count] == chunk[at..at + count]);
                    (count, count)
                })
                .unwrap();
        }
        received == size
    });
    writing.join().unwrap();
    let report = |way: &str, began: Instant, before: u64| {
        let speed = size as u128 / began.elapsed().as_micros().max(1);
        let picoseconds = (gateway_time().saturating_sub(before)) * 1000 / size as u64;
        println!("{way}: {speed} MB/s, the gateway's thread {picoseconds} ps a byte");
    };
    report("to the box", began, before);
    let (began, before) = (Instant::now(), gateway_time());
    let expected = chunk.clone();
    let reading = thread::spawn(move || {
        let mut buffer = vec![0; MIB];
        for _ in 0..size / MIB {
            peer.read_exact(&mut buffer).unwrap();
            assert!(buffer == expected);
        }
    });
    let mut sent = 0;
    rig.guest.until_within("upload", Duration::from_mins(1), |guest| {
        while sent < size && guest.tcp(handle).can_send() {
            let at = sent % MIB;
            sent += guest.tcp(handle).send_slice(&chunk[at..]).unwrap();
        }
        reading.is_finished()
    });
    reading.join().unwrap();
    report("from the box", began, before);
}
