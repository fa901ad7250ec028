//! Hostile frames: the gate may drop them, and what it admits is as it says. Called by a fuzz target in `fuzz/` and by tests; no part of a
//! release.
#![allow(clippy::missing_panics_doc, clippy::unwrap_used, reason = "a panic is what this is for")]

use std::{net::Ipv4Addr, time::Instant};

use boxlite_spec::network::LinkSpec;
use smoltcp::wire::Ipv4Packet;

use super::gate::{Admitted, Gate};
use crate::{
    gateway::{
        checksum,
        datagrams::packet::{ICMP, UDP},
        frame,
    },
    sample,
};

/// The box's hardware address.
const MAC: [u8; 6] = [0x5a, 1, 2, 3, 4, 5];
const GUEST: Ipv4Addr = Ipv4Addr::new(10, 107, 0, 2);
const HOST: Ipv4Addr = Ipv4Addr::new(10, 107, 0, 254);
const TCP: u8 = 6;
/// The shortest frame that is shaped: an ARP packet.
const SHAPED: usize = 42;

/// A link for hostile frames.
pub(super) fn link() -> LinkSpec {
    LinkSpec { mac: MAC, ..sample::link([10, 107, 0], None) }
}

/// A sequence of frames, each with its shape and its length before it.
pub fn frames(bytes: &[u8]) {
    let mut gate = Gate::new(link());
    let mut rest = bytes;
    while let Some((&[shape, high, low], after)) = rest.split_first_chunk::<3>() {
        let length = usize::from(u16::from_be_bytes([high & 7, low])).min(after.len());
        let (frame, after) = after.split_at(length);
        let mut frame = frame.to_vec();
        shaped(&mut frame, shape % 4, 80);
        admit(&mut gate, &frame);
        rest = after;
    }
}

/// Checks what a gate of [`link`] makes of a frame.
pub(super) fn admit(gate: &mut Gate, frame: &[u8]) {
    match gate.admit(frame, Instant::now()) {
        Admitted::Frame(admitted) => {
            let packet = Ipv4Packet::new_checked(&admitted[14..]).unwrap();
            assert!(packet.verify_checksum() && packet.header_len() == 20);
            assert_eq!(usize::from(packet.total_len()) + 14, admitted.len());
            assert_eq!((packet.src_addr(), packet.more_frags(), packet.frag_offset()), (GUEST, false, 0));
            assert!(!packet.dst_addr().is_loopback() && !packet.dst_addr().is_multicast());
            assert!([1, 6, 17].contains(&u8::from(packet.next_header())));
        }
        Admitted::Arp(admitted) => assert_eq!(admitted.len(), SHAPED),
        Admitted::Dhcp(_) | Admitted::Part | Admitted::Nothing => {}
    }
}

/// Gives bytes the beginning of a frame of this box, so that they get deep. Half of those with IP go to `port` of the host.
pub(super) fn shaped(frame: &mut [u8], shape: u8, port: u16) {
    if frame.len() < SHAPED || shape == 0 {
        return;
    }
    frame[6..12].copy_from_slice(&MAC);
    if shape == 1 {
        frame[12..14].copy_from_slice(&frame::ARP);
        frame[14..22].copy_from_slice(&[0, 1, 8, 0, 6, 4, 0, 1]);
        frame[22..28].copy_from_slice(&MAC);
        frame[28..32].copy_from_slice(&GUEST.octets());
        return;
    }
    frame[12..15].copy_from_slice(&[8, 0, 0x45]);
    let length = u16::try_from(frame.len() - 14).unwrap_or(0);
    frame[16..18].copy_from_slice(&length.to_be_bytes());
    // Whole packets, and parts of larger ones.
    frame[20..22].copy_from_slice(if shape == 2 { &[0x40, 0] } else { &[0x20, 3] });
    frame[23] = [1, 6, 17][usize::from(frame[23] % 3)];
    frame[26..30].copy_from_slice(&GUEST.octets());
    if frame[30].is_multiple_of(2) {
        frame[30..34].copy_from_slice(&HOST.octets());
        frame[36..38].copy_from_slice(&port.to_be_bytes());
    }
    frame[24..26].fill(0);
    let sum = checksum::of(&frame[14..34]);
    frame[24..26].copy_from_slice(&sum);
    let (to, protocol) = (Ipv4Addr::new(frame[30], frame[31], frame[32], frame[33]), frame[23]);
    let message = &mut frame[34..];
    match protocol {
        TCP if message.len() >= 20 => {
            message[12] = 0x50 | message[12] & 15;
            message[16..18].fill(0);
            let sum = checksum::with_addresses(GUEST.into(), to.into(), TCP, message);
            message[16..18].copy_from_slice(&sum);
        }
        UDP => {
            message[4..6].copy_from_slice(&(length - 20).to_be_bytes());
            message[6..8].fill(0);
        }
        ICMP => {
            message[..4].copy_from_slice(&[8, 0, 0, 0]);
            let sum = checksum::of(message);
            message[2..4].copy_from_slice(&sum);
        }
        _ => {}
    }
}
