//! Hostile frames: they may be dropped or refused, and nothing else. Called by the fuzz target in `fuzz/`; no part of a release.
#![allow(clippy::missing_panics_doc, clippy::unwrap_used, reason = "a panic is what this is for")]

use std::{
    net::SocketAddrV4,
    sync::Arc,
    time::{Duration, Instant},
};

use boxlite_spec::network::{NetworkLimits, rule::Policy};
use tokio::{runtime, task::yield_now};

use super::{
    frame::{self, Frame},
    hostile_segments::Segments,
    limits::Slots,
    names::{Answer, NameServer},
    outgoing::Outgoing,
    parts::{Parts, Patience},
    ready::Ready,
    reply,
    tcp::Tcp,
};
use crate::{
    backend::Reports,
    decision::{Decide, Decision, Destination, Refused},
    sample::link,
};

/// Most connections of one sample.
const CONNECTIONS: u32 = 3;

/// Refuses everything, so that no sample reaches the machine.
#[derive(Debug)]
struct Nothing;

impl Decide for Nothing {
    fn decide(&self, _: Destination) -> Decision {
        Decision::Refused(Refused { rule: "default".into(), name: None })
    }

    fn decide_named(&self, to: Destination, _: &str) -> Decision {
        self.decide(to)
    }

    fn set_policy(&self, _: &Policy) {}
}

/// Answers with the query.
#[derive(Debug)]
pub(crate) struct Echo;

impl NameServer for Echo {
    fn answer<'a>(&'a self, query: &'a [u8], _: bool) -> Answer<'a> {
        Box::pin(async move { Some(query.to_vec()) })
    }
}

/// A sequence of frames. Each is either whole in the sample, or a TCP segment to the name server that is made from a few bytes and has
/// numbers near those that are right, so that it gets deep.
pub fn frames(bytes: &[u8]) {
    let runtime = runtime::Builder::new_current_thread().enable_time().build().unwrap();
    runtime.block_on(async {
        let mut gateway = Sample::new();
        let mut bytes = bytes;
        while let Some(frame) = gateway.next_frame(&mut bytes) {
            gateway.take(&frame).await;
        }
    });
}

struct Sample {
    parts: Parts,
    out: Outgoing,
    tcp: Tcp,
    now: Instant,
    segments: Segments,
}

impl Sample {
    fn new() -> Self {
        let reports = Reports::default();
        let parts = Parts {
            link: link([10, 0, 0], None),
            decide: Arc::new(Nothing),
            names: Arc::new(Echo),
            inspector: None,
            slots: Slots::new(
                &NetworkLimits { connections: CONNECTIONS, new_per_second: 1000, ..NetworkLimits::default() },
                reports.clone(),
            ),
            reports,
            proxy: None,
            patience: Patience::default(),
            offload: true,
        };
        let (now, mut out) = (Instant::now(), Outgoing::new(Arc::default()));
        let tcp = Tcp::new(parts.clone(), Arc::new(Ready::default()), &mut out);
        let segments = Segments::new(&parts.link, SocketAddrV4::new(parts.link.v4.gateway, 53));
        Self { parts, out, tcp, now, segments }
    }

    /// Makes the next frame of a sample.
    fn next_frame(&mut self, bytes: &mut &[u8]) -> Option<Vec<u8>> {
        let kind = *bytes.split_off_first()?;
        self.now += Duration::from_millis(1 << (kind >> 5 << 1));
        let mut header = self.segments.header();
        if kind & 1 == 0 {
            let length = usize::from(*bytes.split_off_first()?);
            let rest = bytes.split_off(..length.min(bytes.len()))?;
            if kind & 2 == 0 {
                return Some(rest.to_vec());
            }
            header.extend_from_slice(rest);
            return Some(header);
        }
        self.segments.next(kind, bytes)
    }

    /// Lets the gateway take a frame, and checks what it sends.
    async fn take(&mut self, frame: &[u8]) {
        self.tcp.set_now(self.now);
        if let Frame::Tcp(segment) = frame::read(frame, &self.parts.link) {
            assert!(segment.packet.len() <= frame.len());
            self.tcp.handle(&segment, &mut self.out, self.now);
        } else if let Some(packet) = frame.get(frame::ETHERNET..) {
            reply::unreachable(packet, reply::Unreachable::Host, &self.parts.link, &mut self.out);
        }
        for _ in 0..4 {
            self.tcp.turn(&mut self.out, self.now);
            yield_now().await;
        }
        assert!(self.parts.reports.counters.connections() <= u64::from(CONNECTIONS));
        let sent = self.out.slices(usize::MAX).concat_bytes();
        self.out.consume(sent.len());
        let mut rest = &sent[..];
        while let Some(prefix) = rest.split_off(..4) {
            let length = u32::from_be_bytes(prefix.try_into().unwrap());
            let frame = rest.split_off(..usize::try_from(length).unwrap()).unwrap();
            assert_eq!(frame[..6], self.parts.link.mac);
            self.segments.learn(frame);
        }
        assert!(rest.is_empty());
    }
}

/// Joins what would be written at once.
trait ConcatBytes {
    fn concat_bytes(&self) -> Vec<u8>;
}

impl ConcatBytes for [std::io::IoSlice<'_>; 2] {
    fn concat_bytes(&self) -> Vec<u8> {
        [&self[0][..], &self[1][..]].concat()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_made_segment_opens_a_connection_and_gets_an_answer() {
        // SYN; ACK; a query of two bytes; FIN.
        let sample = [
            &[1, frame::SYN, 0, 0, 255, 0, 0][..],
            &[1, frame::ACK, 0, 0, 255, 0, 0],
            &[1, frame::ACK, 0, 0, 255, 0, 4, 0, 2, 7, 7],
            &[1, frame::ACK | frame::FIN, 0, 0, 255, 0, 0],
            &[0, 3, 1, 2, 3, 2, 2, 9, 9],
        ]
        .concat();
        frames(&sample);
        let runtime = runtime::Builder::new_current_thread().enable_time().build().unwrap();
        runtime.block_on(async {
            let (mut gateway, mut bytes) = (Sample::new(), &sample[..]);
            for _ in 0..3 {
                let frame = gateway.next_frame(&mut bytes).unwrap();
                gateway.take(&frame).await;
            }
            let metrics = gateway.parts.reports.counters.read();
            assert_eq!((metrics.connections, metrics.connections_total), (1, 1));
            assert_ne!(gateway.segments.acknowledged(0), 0);
        });
    }
}
