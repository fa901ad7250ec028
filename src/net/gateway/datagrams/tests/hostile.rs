//! Frames that no driver writes.

use super::rig::{Choice, GUEST, GUEST6, OUTSIDE, OUTSIDE6, Rig, ethernet, udp};
use crate::{
    gateway::datagrams::{Datagrams, hostile},
    numbers::numbers,
};

#[tokio::test]
async fn network_pitfalls_frames_of_any_bytes_are_handled_within_the_bounds() {
    let mut rig = Rig::new(Choice::default());
    let mut next = numbers();
    let samples = [
        ethernet(&udp((GUEST, 4000).into(), (OUTSIDE, 7000).into(), &[7; 64])),
        ethernet(&udp((GUEST6, 4000).into(), (OUTSIDE6, 7000).into(), &[7; 64])),
        ethernet(&udp((GUEST, 68).into(), ([10, 87, 0, 1], 67).into(), &[1; 300])),
    ];
    for round in 0..20_000_usize {
        let mut frame = samples[round % samples.len()].clone();
        for _ in 0..next() % 4 {
            let place = usize::try_from(next()).unwrap() % frame.len();
            frame[place] = next().to_le_bytes()[0];
        }
        frame.truncate(usize::try_from(next()).unwrap() % (frame.len() * 4));
        rig.handler.handle(&frame);
    }
    let (flows, sockets) = rig.handler.flows.open();
    assert!(flows <= 4096 && sockets <= 4096, "{flows} flows, {sockets} sockets");
    assert!(rig.dropped() > 1000);
}

#[test]
fn network_pitfalls_frames_the_samples_of_the_fuzz_target_are_handled() {
    let corpus = [
        &include_bytes!("../../../../../fuzz/corpus/datagrams/udp")[..],
        include_bytes!("../../../../../fuzz/corpus/datagrams/fragments"),
        include_bytes!("../../../../../fuzz/corpus/datagrams/link"),
    ];
    for sample in corpus {
        hostile::datagrams(sample);
        (0..sample.len()).step_by(97).for_each(|length| hostile::datagrams(&sample[..length]));
    }
}
