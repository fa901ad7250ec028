//! Fragments, by themselves.

use std::time::Instant;

use super::rig::{GUEST, OUTSIDE};
use crate::gateway::datagrams::{
    fragments::{Fragments, INCOMPLETE_MAX, PATIENCE},
    packet::{Packet, Part, UDP},
};

fn byte(place: usize) -> u8 {
    u8::try_from(place % 251).unwrap()
}

/// Adds bytes `start..end` of a message whose bytes are their places.
fn add(
    fragments: &mut Fragments,
    ident: u32,
    (start, end): (usize, usize),
    more: bool,
    now: Instant,
) -> Added {
    let message: Vec<u8> = (start..end).map(byte).collect();
    let packet = Packet {
        from: GUEST.into(),
        to: OUTSIDE.into(),
        protocol: UDP,
        hops: 64,
        whole: false,
        part: None,
        bytes: &message,
        message: &message,
    };
    let (whole, given_up) = fragments.add(&packet, Part { ident, offset: start, more }, now);
    (whole.map(|whole| whole.message), given_up)
}

type Added = (Option<Vec<u8>>, usize);

#[test]
fn network_pitfalls_udp_size_fragments_come_in_any_order_and_twice() {
    let parts = [(0, 800), (800, 1600), (1600, 2400), (2400, 3000)];
    let whole: Vec<u8> = (0..3000).map(byte).collect();
    for order in 0..24 {
        let mut fragments = Fragments::default();
        let (mut left, mut rank) = (parts.to_vec(), order);
        let mut last = (None, 0);
        while !left.is_empty() {
            let part = left.remove(rank % left.len());
            rank /= left.len() + 1;
            last = add(&mut fragments, 1, part, part.1 < 3000, Instant::now());
            if !left.is_empty() {
                assert_eq!(last, (None, 0));
                assert_eq!(add(&mut fragments, 1, part, part.1 < 3000, Instant::now()), (None, 0));
            }
        }
        assert!(last.0.is_some_and(|message| message == whole), "order {order}");
        assert_eq!(fragments.held(), (0, 0));
    }
}

#[test]
fn network_pitfalls_udp_size_what_overlaps_or_does_not_fit_is_given_up() {
    let bad: [&[((usize, usize), bool)]; 6] = [
        &[((0, 800), true), ((400, 1200), true)],
        &[((800, 1600), true), ((0, 1608), true)],
        &[((0, 801), true)],
        &[((65_528, 65_600), false)],
        &[((800, 900), false), ((896, 1600), true)],
        &[((0, 0), true)],
    ];
    for parts in bad {
        let mut fragments = Fragments::default();
        let results: Vec<_> =
            parts.iter().map(|&(part, more)| add(&mut fragments, 1, part, more, Instant::now())).collect();
        assert_eq!(results.last(), Some(&(None, 1)), "{parts:?}");
        assert_eq!(fragments.held(), (0, 0));
    }
}

#[test]
fn network_pitfalls_udp_size_memory_is_bounded_in_sum_and_time() {
    let mut fragments = Fragments::default();
    let began = Instant::now();
    let given_up: usize =
        (0..1000).map(|ident| add(&mut fragments, ident, (65_000, 65_400), true, began).1).sum();
    let (count, bytes) = fragments.held();
    assert_eq!((count, given_up), (INCOMPLETE_MAX, 1000 - INCOMPLETE_MAX));
    assert!(bytes <= INCOMPLETE_MAX * 65_535, "{bytes}");
    assert_eq!(add(&mut fragments, 5000, (0, 8), true, began + PATIENCE), (None, INCOMPLETE_MAX));
    assert_eq!(fragments.held().0, 1);
}
