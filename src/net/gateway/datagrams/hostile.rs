//! Hostile bytes: frames that a box sends. They may be dropped, and nothing else: no panic, no endless work, no memory without a bound.
//! Called by a fuzz target in `fuzz/` and by a test; no part of a release.
#![allow(clippy::missing_panics_doc, reason = "a panic is what this is for")]

use std::{
    net::{Ipv4Addr, Ipv6Addr, SocketAddr},
    sync::Arc,
};

use boxlite_spec::network::{LinkSpec, NetworkLimits, rule::Policy};
use tokio::runtime::Builder;

use crate::{
    backend::Reports,
    decision::{Allowed, Decide, Decision, Destination, Refused},
    gateway::{
        datagrams::{DatagramContext, Lease, make},
        frame::GATEWAY_MAC,
        limits::Slots,
        names::{Answer, NameServer},
        sender::FrameSender,
    },
    sample::link,
};

/// The box's hardware address; its others are 10.87.0.2 and `fd87::2`, and the gateway's end in 1.
const BOX_MAC: [u8; 6] = [0x5a, 0, 0, 0, 0, 1];
/// The discard service, which nobody runs.
const DISCARD: u16 = 9;

/// Allows even ports, which all lead to one port of this machine.
#[derive(Debug)]
struct Even;

impl Decide for Even {
    fn decide(&self, to: Destination) -> Decision {
        if to.port % 2 == 1 {
            return Decision::Refused(Refused { rule: "default".into(), name: None });
        }
        let dial = if to.address.is_ipv4() {
            SocketAddr::new(Ipv4Addr::LOCALHOST.into(), DISCARD)
        } else {
            SocketAddr::new(Ipv6Addr::LOCALHOST.into(), DISCARD)
        };
        Decision::Allowed(Allowed { dial, name: None, by_name: false })
    }

    fn decide_named(&self, to: Destination, _: &str) -> Decision {
        self.decide(to)
    }

    fn set_policy(&self, _: &Policy) {}
}

#[derive(Debug)]
struct Silent;

impl NameServer for Silent {
    fn answer<'a>(&'a self, _: &'a [u8], _: bool) -> Answer<'a> {
        Box::pin(std::future::ready(None))
    }
}

/// The frames of a box that are not TCP, each with its length before it (two bytes, big-endian).
pub fn datagrams(bytes: &[u8]) {
    // Its end closes every socket.
    if let Ok(runtime) = Builder::new_current_thread().enable_all().build() {
        runtime.block_on(handle(bytes));
    }
}

async fn handle(mut bytes: &[u8]) {
    let (frames, mut sent) = FrameSender::new();
    let reports = Reports::default();
    let context = DatagramContext {
        link: LinkSpec { mac: BOX_MAC, ..link([10, 87, 0], Some(0xfd87)) },
        gateway_mac: GATEWAY_MAC,
        frames,
        decide: Arc::new(Even),
        names: Arc::new(Silent),
        slots: Slots::new(&NetworkLimits { connections: 64, ..NetworkLimits::default() }, reports.clone()),
        reports,
    };
    let mut handler = make(Lease::default())(context);
    while let Some((&length, rest)) = bytes.split_first_chunk::<2>() {
        let (frame, after) = rest.split_at(usize::from(u16::from_be_bytes(length)).min(rest.len()));
        handler.handle(frame);
        bytes = after;
        while let Ok(frame) = sent.try_recv() {
            assert!(frame.len() <= 14 + 1500 && frame[..6] == BOX_MAC, "a frame that no link carries");
        }
    }
    tokio::task::yield_now().await;
}
