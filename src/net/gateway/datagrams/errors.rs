//! ICMP errors to the box (RFC 792, RFC 4443): why a packet of it was not passed on. Called by `handler` and `flows`. Their number is
//! bounded in time, so that nobody can make the gateway send more than it gets.

use std::{
    net::{IpAddr, SocketAddr},
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};

use boxlite_spec::network::LinkSpec;

use super::{
    super::reply,
    flow::{Flow, Kind},
    packet,
    writer::Writer,
};

/// Most errors at once.
const BURST: u32 = 200;
/// After this time there may be one more.
const INTERVAL: Duration = Duration::from_millis(1);

/// Why a packet does not arrive.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Why {
    /// It is not allowed.
    Prohibited,
    /// Nothing listens at the port.
    Port,
    /// The host does not answer.
    Host,
    /// There is no route.
    Network,
    /// It has to be divided, and may not be. What fits is told.
    TooBig(u32),
}

/// Sends errors.
#[derive(Debug, Clone)]
pub(super) struct Errors {
    link: Arc<LinkSpec>,
    writer: Writer,
    pace: Arc<Mutex<Pace>>,
}

#[derive(Debug)]
struct Pace {
    left: u32,
    counted: Instant,
}

impl Errors {
    /// Sends errors by a writer.
    pub(super) fn new(link: Arc<LinkSpec>, writer: Writer) -> Self {
        let pace = Arc::new(Mutex::new(Pace { left: BURST, counted: Instant::now() }));
        Self { link, writer, pace }
    }

    /// Answers a packet, of which at least the headers are there.
    pub(super) fn answer(&self, packet: &[u8], why: Why) {
        let (from, to, most): (IpAddr, IpAddr, _) =
            match (packet.first().map(|first| first >> 4), self.link.v6) {
                // As much as fits into the smallest MTU that every host has.
                (Some(4), _) => (self.link.v4.gateway.into(), self.link.v4.guest.into(), 548),
                (Some(6), Some(v6)) => (v6.gateway.into(), v6.guest.into(), 1232),
                _ => return,
            };
        if !self.pace.lock().unwrap_or_else(PoisonError::into_inner).take(Instant::now()) {
            return;
        }
        let (kind, code) = if from.is_ipv4() { why.v4() } else { why.v6() };
        let mut message = vec![kind, code, 0, 0, 0, 0, 0, 0];
        if let Why::TooBig(mtu) = why {
            // The upper half is zero in IPv4, whose field has 16 bits.
            message[4..8].copy_from_slice(&mtu.to_be_bytes());
        }
        message.extend(&packet[..packet.len().min(most)]);
        self.writer.try_send(self.writer.icmp(from, to, message));
    }

    /// Answers a packet of a flow of which only the addresses are known.
    pub(super) fn answer_flow(&self, flow: Flow, why: Why) {
        let Flow { kind, guest, to } = flow;
        let (header, protocol, echo) = match (kind, guest) {
            (Kind::Udp, _) => (if guest.is_ipv4() { 20 } else { 40 }, packet::UDP, 0),
            (Kind::Echo, SocketAddr::V4(_)) => (20, packet::ICMP, 8),
            (Kind::Echo, SocketAddr::V6(_)) => (40, packet::ICMPV6, 128),
        };
        let mut bytes = vec![0; header + 8];
        let message = reply::ip(&mut bytes, guest.ip(), to.ip(), protocol, 8);
        match kind {
            Kind::Udp => {
                message[..2].copy_from_slice(&guest.port().to_be_bytes());
                message[2..4].copy_from_slice(&to.port().to_be_bytes());
                message[5] = 8;
            }
            Kind::Echo => {
                message[0] = echo;
                message[4..6].copy_from_slice(&guest.port().to_be_bytes());
            }
        }
        self.answer(&bytes, why);
    }
}

impl Pace {
    fn take(&mut self, now: Instant) -> bool {
        let more = now.saturating_duration_since(self.counted).as_millis() / INTERVAL.as_millis();
        if more > 0 {
            self.left = self.left.saturating_add(u32::try_from(more).unwrap_or(BURST)).min(BURST);
            self.counted = now;
        }
        let some = self.left > 0;
        self.left -= u32::from(some);
        some
    }
}

impl Why {
    const fn v4(self) -> (u8, u8) {
        match self {
            Self::Network => (3, 0),
            Self::Host => (3, 1),
            Self::Port => (3, 3),
            Self::TooBig(_) => (3, 4),
            Self::Prohibited => (3, 13),
        }
    }

    const fn v6(self) -> (u8, u8) {
        match self {
            Self::Network => (1, 0),
            Self::Prohibited => (1, 1),
            Self::Host => (1, 3),
            Self::Port => (1, 4),
            Self::TooBig(_) => (2, 0),
        }
    }
}
