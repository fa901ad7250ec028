//! Hostile frames: they may be dropped or refused, and nothing else. Called by the fuzz target in `fuzz/`; no part of a release.
#![allow(clippy::missing_panics_doc, clippy::unwrap_used, reason = "a panic is what this is for")]

use std::{
    net::{IpAddr, SocketAddr},
    sync::Arc,
    time::{Duration, Instant},
};

use boxlite_spec::network::{Addresses, LinkSpec, NetworkLimits, rule::Policy};
use tokio::{runtime, task::yield_now};

use super::{
    frame::{self, Frame},
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
struct Echo;

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
    /// The next numbers of the box and of the gateway, for each of two ports.
    numbers: [(u32, u32); 2],
}

impl Sample {
    fn new() -> Self {
        let reports = Reports::default();
        let addresses = Addresses {
            guest: [10, 0, 0, 2].into(),
            gateway: [10, 0, 0, 1].into(),
            host: [10, 0, 0, 3].into(),
            prefix: 24,
        };
        let parts = Parts {
            link: LinkSpec { mac: [2; 6], mtu: 1500, v4: addresses, v6: None },
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
        Self { parts, out, tcp, now, numbers: [(1, 0); 2] }
    }

    /// Makes the next frame of a sample.
    fn next_frame(&mut self, bytes: &mut &[u8]) -> Option<Vec<u8>> {
        let kind = *bytes.split_off_first()?;
        self.now += Duration::from_millis(1 << (kind >> 5 << 1));
        let mut header = [&frame::GATEWAY_MAC[..], &self.parts.link.mac, &frame::IPV4].concat();
        if kind & 1 == 0 {
            let length = usize::from(*bytes.split_off_first()?);
            let rest = bytes.split_off(..length.min(bytes.len()))?;
            if kind & 2 == 0 {
                return Some(rest.to_vec());
            }
            header.extend_from_slice(rest);
            return Some(header);
        }
        let [flags, sequence, acknowledged, window, options, length] =
            *bytes.split_off(..6)?.first_chunk()?;
        let payload = bytes.split_off(..usize::from(length).min(bytes.len()))?;
        let which = usize::from(kind >> 1 & 1);
        let (ours, theirs) = self.numbers[which];
        let near = |number: u32, by: u8| number.wrapping_add_signed(i32::from(by.cast_signed()));
        let (sequence, acknowledged) = (near(ours, sequence), near(theirs, acknowledged));
        let options = usize::from(options % 11) * 4;
        let mut tcp =
            [&(1000 + u16::try_from(which).ok()?).to_be_bytes()[..], &53_u16.to_be_bytes()].concat();
        tcp.extend(sequence.to_be_bytes());
        tcp.extend(acknowledged.to_be_bytes());
        tcp.extend([u8::try_from(5 + options / 4).ok()? << 4, flags, window, window, 0, 0, 0, 0]);
        tcp.extend(payload.iter().chain(&[2; 40]).take(options.max(payload.len())));
        let total = u16::try_from(20 + tcp.len()).ok()?.to_be_bytes();
        let taken =
            payload.len().saturating_sub(options) + usize::from(flags & (frame::SYN | frame::FIN) != 0);
        if sequence == ours {
            self.numbers[which].0 = ours.wrapping_add(u32::try_from(taken).ok()?);
        }
        let mut ip = vec![0x45, 0, total[0], total[1], 0, 0, 0x40, 0, 64, 6, 0, 0, 10, 0, 0, 2, 10, 0, 0, 1];
        let sum = super::checksum::of(&ip);
        ip[10..12].copy_from_slice(&sum);
        Some([header, ip, tcp].concat())
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
            self.learn(frame);
        }
        assert!(rest.is_empty());
    }

    /// Remembers the gateway's numbers.
    fn learn(&mut self, sent: &[u8]) {
        // Seen from the other side, the frame is one from the gateway.
        let mut link = self.parts.link.clone();
        link.mac = frame::GATEWAY_MAC;
        link.v4.guest = link.v4.gateway;
        let turned = [&frame::GATEWAY_MAC[..], &sent[6..]].concat();
        let Frame::Tcp(segment) = frame::read(&turned, &link) else { return };
        let number = self.numbers.get_mut(usize::from(segment.flow.to.port().wrapping_sub(1000)));
        if let Some((_, theirs)) = number {
            *theirs = segment.sequence.wrapping_add(segment.length);
        }
        assert_eq!(
            segment.flow.to,
            SocketAddr::new(IpAddr::V4(self.parts.link.v4.guest), segment.flow.to.port())
        );
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
            assert_ne!(gateway.numbers[0].1, 0);
        });
    }
}
