//! A SYN of the box that has not been answered: what is kept of it while its other end is dialled, or while it waits for a place. Made by `tcp`.

use std::{net::IpAddr, time::Instant};

use boxlite_spec::network::rule::Protocol;

use crate::{
    decision::Destination,
    gateway::frame::{self, Flow, Segment},
};

/// A SYN that has not been answered.
#[derive(Debug)]
pub(super) struct Syn {
    /// Its connection.
    pub(super) flow: Flow,
    from: IpAddr,
    sequence: u32,
    length: u32,
    /// The whole IP packet.
    pub(super) packet: Vec<u8>,
    /// When it came first.
    pub(super) since: Instant,
}

impl Syn {
    /// Keeps what is needed of `segment`, which came at `since`.
    pub(super) fn new(segment: &Segment<'_>, since: Instant) -> Self {
        let (flow, from, sequence, length) = (segment.flow, segment.from, segment.sequence, segment.length);
        Self { flow, from, sequence, length, packet: segment.packet.to_vec(), since }
    }

    /// The segment again.
    pub(super) fn segment(&self) -> Segment<'_> {
        Segment {
            flow: self.flow,
            from: self.from,
            flags: frame::SYN,
            sequence: self.sequence,
            acknowledged: 0,
            length: self.length,
            packet: &self.packet,
        }
    }

    /// Where it leads.
    pub(super) fn to(&self) -> Destination {
        destination(self.flow)
    }
}

/// Where a connection leads.
pub(super) fn destination(flow: Flow) -> Destination {
    Destination { protocol: Protocol::Tcp, address: flow.to.ip(), port: flow.to.port() }
}
