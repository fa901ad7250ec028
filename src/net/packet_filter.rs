//! `PacketFilter`: what of the box reaches a backend that has no policy of its own. Asked by such a backend about each frame; calls the policy.
//!
//! Where the gateway decides once for each connection, this decides for each packet by its destination, so that a policy that is replaced
//! holds for what is open too. What is refused is answered at once by a reset or an ICMP message, as the gateway does. Of the backend's own
//! address the box reaches its name server, DHCP and echo, and nothing else: programs such as gvproxy serve more there than a box may
//! have.

use std::{
    collections::HashMap,
    net::{IpAddr, Ipv4Addr, SocketAddr},
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
    time::{Duration, Instant},
};

use boxlite_spec::network::{
    LinkSpec, NetworkSpec,
    control::Refusal,
    rule::{Policy, Protocol, Target},
};
use smoltcp::wire::{DhcpPacket, UdpPacket};

use crate::{
    backend::{NetworkError, Reports},
    decision::{Decide as _, Decision, Destination, Refused},
    gateway::{
        checksum,
        datagrams::packet::{self, ICMP, Packet, UDP},
        frame::{self, ACK, ETHERNET, Frame, RST, Segment},
        outgoing::Outgoing,
        reply::{self, Unreachable},
    },
    openings::Openings,
    policy::Egress,
};

const DNS: u16 = 53;
const DHCP_SERVER: u16 = 67;
const DHCP_CLIENT: u16 = 68;
const TCP: u8 = 6;
const ECHO_REQUEST: u8 = 8;
/// How long a decision is used again: addresses of the host may come and go.
const FRESH: Duration = Duration::from_secs(1);
/// Most decisions that are remembered.
const DECISIONS_MAX: usize = 4096;
/// The rule of what the backend can't pass on, as the gateway calls it where the host allows no ICMP.
const UNSUPPORTED: &str = "unsupported";
/// Any name of the internet: without rules by name, all of them are decided alike.
const ANY_NAME: &str = "any.invalid";

/// The policy that a filter asks. It may be replaced while the filter runs.
#[derive(Debug)]
pub struct FilterPolicy {
    egress: Arc<Egress>,
    /// How often it was replaced.
    version: AtomicU64,
}

impl FilterPolicy {
    /// The policy of a box.
    pub fn new(spec: &NetworkSpec) -> Arc<Self> {
        Arc::new(Self { egress: Egress::new(spec), version: AtomicU64::new(0) })
    }

    /// Replaces the policy of a box whose backend is called `backend`.
    ///
    /// # Errors
    /// If it has a rule by name.
    pub fn set(&self, backend: &str, policy: &Policy) -> Result<(), NetworkError> {
        let mut rules = policy.allow.iter().flatten().chain(&policy.deny);
        if let Some(rule) = rules.find(|rule| matches!(rule.target, Target::Name(_) | Target::Below(_))) {
            let why = format!("backend `{backend}` can't do this: `{rule}` is a rule by name");
            return Err(NetworkError::new(why));
        }
        self.egress.set_policy(policy);
        self.version.fetch_add(1, Relaxed);
        Ok(())
    }
}

/// What a filter decided about a frame.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Filtered {
    /// The backend gets it.
    Passed,
    /// The backend does not. It may have been answered.
    Stopped,
}

/// Decides about the frames of one box.
#[derive(Debug)]
pub struct PacketFilter {
    /// The box's address in it is the one that it was given by DHCP.
    link: LinkSpec,
    policy: Arc<FilterPolicy>,
    reports: Reports,
    decisions: HashMap<Destination, (Instant, Option<Refused>)>,
    openings: Openings,
    version: u64,
    /// Why nothing is passed on, if that is so.
    closed: Option<&'static str>,
    /// Whether the backend knows who outside answers to an echo.
    echoes: bool,
}

impl PacketFilter {
    /// A filter for the box on this link.
    pub fn new(link: LinkSpec, policy: Arc<FilterPolicy>, reports: Reports) -> Self {
        let (decisions, openings) = (HashMap::new(), Openings::default());
        Self { link, policy, reports, decisions, openings, version: 0, closed: None, echoes: true }
    }

    /// The filter of a backend that answers to echoes in the place of whoever they are for. They are refused: an answer would say nothing.
    #[must_use]
    pub fn without_echo(self) -> Self {
        Self { echoes: false, ..self }
    }

    /// From now on refuses everything and names this as the rule, or, with `None`, nothing but what the policy refuses.
    pub(crate) fn close(&mut self, rule: Option<&'static str>) {
        self.closed = rule;
    }

    /// Decides about a frame from the box. What answers it is added to `to_box`, and what ends its connection at the backend to
    /// `to_backend`.
    pub(crate) fn judge(
        &mut self,
        frame: &[u8],
        to_box: &mut Outgoing,
        to_backend: &mut Outgoing,
    ) -> Filtered {
        self.reports.counters.count_sent(frame.len());
        // Nobody else is on the link, whose hardware address the backend chooses.
        let judged = match frame::read_to(frame, &self.link, |_| true) {
            Frame::Tcp(segment) => {
                return self.segment(&segment, frame, to_box, to_backend);
            }
            Frame::Dropped => None,
            Frame::Other => self.other(frame, to_box),
        };
        judged.unwrap_or_else(|| {
            self.reports.counters.count_dropped();
            Filtered::Stopped
        })
    }

    /// Notes which address the box is given by a frame to it.
    pub(crate) fn note(&mut self, frame: &[u8]) {
        // An Ethernet header, an IPv4 header without options, and the ports of an answer by DHCP.
        let ports = ETHERNET + 20;
        let is_lease = frame.get(12..ETHERNET) == Some(&frame::IPV4)
            && frame.get(ETHERNET) == Some(&0x45)
            && frame.get(ETHERNET + 9) == Some(&UDP)
            && frame.get(ports..ports + 4) == Some(&[0, 67, 0, 68]);
        if !is_lease {
            return;
        }
        let lease = || {
            let datagram = UdpPacket::new_checked(frame.get(ports..)?).ok()?;
            let address = DhcpPacket::new_checked(datagram.payload()).ok()?.your_ip();
            (!address.is_unspecified()).then_some(address)
        };
        if let Some(address) = lease() {
            self.link.v4.guest = address;
        }
    }

    fn segment(
        &mut self,
        segment: &Segment<'_>,
        frame: &[u8],
        to_box: &mut Outgoing,
        to_backend: &mut Outgoing,
    ) -> Filtered {
        let is_name_server = self.is_name_server(segment.flow.to);
        let (address, port) = (segment.flow.to.ip(), segment.flow.to.port());
        let to = Destination { protocol: Protocol::Tcp, address, port };
        let refused = match self.closed {
            Some(rule) => Some(Refused { rule: rule.to_owned(), name: None }),
            None if is_name_server => self.may_ask().err(),
            None => self.decide(to),
        };
        if segment.opens()
            && (refused.is_none() || is_name_server)
            && self.openings.connection(segment.flow.port, to, segment.sequence)
        {
            if refused.is_none() {
                self.reports.counters.count_opening();
            }
            // What is said in a connection is not looked into: each one to the name server counts as a query.
            if is_name_server {
                self.reports.counters.count_dns_query();
            }
        }
        let Some(refused) = refused else { return Filtered::Passed };
        if segment.flags & RST == 0 {
            self.report(to, refused);
        }
        if self.closed.is_some() && segment.opens() {
            reply::unreachable(segment.packet, Unreachable::Network, &self.link, to_box);
            return Filtered::Stopped;
        }
        if self.closed.is_none() && segment.flags & (ACK | RST) == ACK {
            abort(segment, frame, to_backend);
        }
        reply::reset(segment, &self.link, to_box);
        Filtered::Stopped
    }

    /// `None` is a frame that is malformed, not from the box, or of no protocol that is passed on.
    fn other(&mut self, frame: &[u8], to_box: &mut Outgoing) -> Option<Filtered> {
        let (header, bytes) = frame.split_first_chunk::<ETHERNET>()?;
        match [header[12], header[13]] {
            frame::ARP => return Some(Filtered::Passed),
            frame::IPV4 => {}
            _ => return None,
        }
        let packet = packet::v4(bytes)?;
        let is_part = packet.part.is_some_and(|part| part.offset > 0);
        match packet.protocol {
            // Without its first part, which has been decided about, it is nothing.
            UDP | ICMP if is_part => {
                let known = packet.from == IpAddr::V4(self.link.v4.guest) && !self.is_own(packet.to);
                known.then_some(Filtered::Passed)
            }
            UDP => self.datagram(&packet, to_box),
            ICMP => self.echo(&packet, to_box),
            _ => None,
        }
    }

    fn datagram(&mut self, packet: &Packet<'_>, to_box: &mut Outgoing) -> Option<Filtered> {
        let [a, b, c, d, ..] = *packet.message.first_chunk::<8>()?;
        let (from, port) = (u16::from_be_bytes([a, b]), u16::from_be_bytes([c, d]));
        let gateway = IpAddr::V4(self.link.v4.gateway);
        if (from, port) == (DHCP_CLIENT, DHCP_SERVER)
            && (packet.to == IpAddr::V4(Ipv4Addr::BROADCAST) || packet.to == gateway)
        {
            return Some(Filtered::Passed);
        }
        if packet.from != IpAddr::V4(self.link.v4.guest) {
            return None;
        }
        let to = Destination { protocol: Protocol::Udp, address: packet.to, port };
        if self.is_name_server(SocketAddr::new(packet.to, port)) {
            self.reports.counters.count_dns_query();
            let refused = self.may_ask().err();
            return Some(self.answered(packet, to, refused, to_box));
        }
        if self.is_group(packet.to) {
            return None;
        }
        let refused = self.decide(to);
        Some(self.counted(packet, from, to, refused, to_box))
    }

    fn echo(&mut self, packet: &Packet<'_>, to_box: &mut Outgoing) -> Option<Filtered> {
        let is_request = packet.message.first() == Some(&ECHO_REQUEST);
        if !is_request || packet.from != IpAddr::V4(self.link.v4.guest) || self.is_group(packet.to) {
            return None;
        }
        let to = Destination { protocol: Protocol::Icmp, address: packet.to, port: 0 };
        let is_gateway = packet.to == IpAddr::V4(self.link.v4.gateway);
        let unsupported = || Refused { rule: UNSUPPORTED.to_owned(), name: None };
        if is_gateway {
            return Some(self.answered(packet, to, None, to_box));
        }
        let refused = self.decide(to).or_else(|| (!self.echoes).then(unsupported));
        let ident = packet.message.get(4..6).map_or(0, |ident| u16::from_be_bytes([ident[0], ident[1]]));
        Some(self.counted(packet, ident, to, refused, to_box))
    }

    /// As [`answered`](Self::answered), for a flow of datagrams from this end in the box, which is counted when it begins.
    fn counted(
        &mut self,
        packet: &Packet<'_>,
        from: u16,
        to: Destination,
        refused: Option<Refused>,
        to_box: &mut Outgoing,
    ) -> Filtered {
        let filtered = self.answered(packet, to, refused, to_box);
        if filtered == Filtered::Passed && self.openings.datagram(from, to, Instant::now()) {
            self.reports.counters.count_opening();
        }
        filtered
    }

    /// Passes a packet on, or reports and answers it.
    fn answered(
        &mut self,
        packet: &Packet<'_>,
        to: Destination,
        refused: Option<Refused>,
        to_box: &mut Outgoing,
    ) -> Filtered {
        let (refused, why) = match (self.closed, refused) {
            (Some(rule), _) => (Refused { rule: rule.to_owned(), name: None }, Unreachable::Network),
            (None, Some(refused)) => (refused, Unreachable::Prohibited),
            (None, None) => return Filtered::Passed,
        };
        self.report(to, refused);
        reply::unreachable(packet.bytes, why, &self.link, to_box);
        Filtered::Stopped
    }

    /// Why a destination is refused, if it is.
    fn decide(&mut self, to: Destination) -> Option<Refused> {
        let (now, version) = (Instant::now(), self.policy.version.load(Relaxed));
        if self.version != version || self.decisions.len() >= DECISIONS_MAX {
            self.version = version;
            self.decisions.clear();
        }
        if let Some((at, refused)) = self.decisions.get(&to)
            && now.duration_since(*at) < FRESH
        {
            return refused.clone();
        }
        let refused = match self.policy.egress.decide(to) {
            Decision::Allowed(_) => None,
            Decision::Refused(refused) => Some(refused),
        };
        self.decisions.insert(to, (now, refused.clone()));
        refused
    }

    /// Whether names may be asked for: a query leaves for the internet.
    fn may_ask(&self) -> Result<(), Refused> {
        self.policy.egress.may_ask(ANY_NAME)
    }

    fn report(&self, to: Destination, Refused { rule, name }: Refused) {
        self.reports.counters.count_refusal();
        self.reports.refusals.report(Refusal {
            address: Some(to.address),
            port: to.port,
            protocol: to.protocol,
            name,
            rule,
            count: 1,
        });
    }

    fn is_name_server(&self, to: SocketAddr) -> bool {
        to == SocketAddr::new(self.link.v4.gateway.into(), DNS)
    }

    /// Whether an address is the box's or the backend's own.
    fn is_own(&self, address: IpAddr) -> bool {
        address == IpAddr::V4(self.link.v4.guest) || address == IpAddr::V4(self.link.v4.gateway)
    }

    /// Whether an address is that of no single host.
    fn is_group(&self, address: IpAddr) -> bool {
        let IpAddr::V4(address) = address else { return true };
        let hosts = u32::MAX.checked_shr(self.link.v4.prefix.into()).unwrap_or(0);
        let on_link = (address.to_bits() ^ self.link.v4.gateway.to_bits()) & !hosts == 0;
        address.is_broadcast()
            || address.is_multicast()
            || address.is_unspecified()
            || (on_link && hosts > 1 && address.to_bits() & hosts == hosts)
    }
}

/// Ends a connection at the backend as if the box had reset it.
fn abort(segment: &Segment<'_>, frame: &[u8], to_backend: &mut Outgoing) {
    const LENGTH: u16 = 20;
    let Some(header) = frame.get(..ETHERNET) else { return };
    let (from, to) = (segment.from, segment.flow.to);
    if from.is_ipv6() {
        return;
    }
    let Some(room) = to_backend.push(ETHERNET + 20 + usize::from(LENGTH)) else { return };
    room[..ETHERNET].copy_from_slice(header);
    let tcp = reply::ip(&mut room[ETHERNET..], from, to.ip(), TCP, LENGTH);
    tcp.fill(0);
    tcp[..2].copy_from_slice(&segment.flow.port.to_be_bytes());
    tcp[2..4].copy_from_slice(&to.port().to_be_bytes());
    tcp[4..8].copy_from_slice(&segment.sequence.to_be_bytes());
    tcp[8..12].copy_from_slice(&segment.acknowledged.to_be_bytes());
    (tcp[12], tcp[13]) = (5 << 4, RST | ACK);
    let sum = checksum::with_addresses(from, to.ip(), TCP, tcp);
    tcp[16..18].copy_from_slice(&sum);
}

#[cfg(test)]
#[path = "packet_filter_tests.rs"]
mod tests;
