//! Sorts the frames of the box that are not TCP, and drops what is malformed, from a foreign address, or to a group of hosts. Called by the
//! gateway's loop; calls everything else in this folder.
//!
//! DHCP and DNS at the gateway's address are answered here, and so are ARP, neighbour discovery and an echo to the gateway. What goes
//! further is a flow of UDP or of ICMP echo, or nothing.

use std::{
    fmt,
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr},
    sync::Arc,
    time::Instant,
};

use boxlite_spec::network::LinkSpec;
use smoltcp::wire::UdpPacket;
use tokio::sync::Semaphore;

use super::{
    super::frame::{self, ETHERNET},
    DatagramContext, Datagrams, MakeDatagrams, arp,
    dhcp::{self, Lease},
    errors::{Errors, Why},
    flow::{Flow, Kind},
    flows::{Context, Flows},
    fragments::Fragments,
    lives::Lives,
    neighbours,
    packet::{self, Packet},
    writer::Writer,
};

const DNS: u16 = 53;
/// Most queries that wait for their answers. Resolvers repeat those that find no place.
const QUERIES_MAX: usize = 512;

/// Makes the handler of datagrams. The box is told `lease` by DHCP.
pub fn make(lease: Lease) -> MakeDatagrams {
    Box::new(move |context| Box::new(Handler::new(context, lease, Lives::default())))
}

/// The handler.
pub(super) struct Handler {
    link: Arc<LinkSpec>,
    context: DatagramContext,
    lease: Lease,
    writer: Writer,
    errors: Errors,
    fragments: Fragments,
    pub(super) flows: Flows,
    queries: Arc<Semaphore>,
}

impl fmt::Debug for Handler {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Handler").field("flows", &self.flows).finish_non_exhaustive()
    }
}

impl Datagrams for Handler {
    fn handle(&mut self, frame: &[u8]) {
        if self.sort(frame).is_none() {
            self.context.reports.counters.count_dropped();
        }
    }

    fn recheck(&mut self) {
        self.flows.recheck();
    }
}

/// What becomes of a frame: `None` if it is dropped.
type Handled = Option<()>;

impl Handler {
    pub(super) fn new(context: DatagramContext, lease: Lease, lives: Lives) -> Self {
        let link = Arc::new(context.link.clone());
        let writer = Writer::new(Arc::clone(&link), context.frames.clone());
        let errors = Errors::new(Arc::clone(&link), writer.clone());
        let flows = Flows::new(Context {
            writer: writer.clone(),
            errors: errors.clone(),
            decide: Arc::clone(&context.decide),
            slots: Arc::clone(&context.slots),
            reports: context.reports.clone(),
            lives,
        });
        let queries = Arc::new(Semaphore::new(QUERIES_MAX));
        Self { link, context, lease, writer, errors, fragments: Fragments::default(), flows, queries }
    }

    fn sort(&mut self, frame: &[u8]) -> Handled {
        let (header, bytes) = frame.split_first_chunk::<ETHERNET>()?;
        // To the gateway, or to a group of which it may be a member.
        if header[..6] != self.context.gateway_mac && header[0] & 1 == 0 {
            return None;
        }
        match [header[12], header[13]] {
            frame::ARP => {
                if let Some(answer) = arp::answer(bytes, &self.link, self.context.gateway_mac).ok()? {
                    self.writer.try_send(self.writer.arp(&answer));
                }
                Some(())
            }
            frame::IPV4 => self.v4(&packet::v4(bytes)?),
            frame::IPV6 => {
                self.link.v6?;
                self.v6(&packet::v6(bytes)?)
            }
            _ => None,
        }
    }

    fn v4(&mut self, packet: &Packet<'_>) -> Handled {
        if packet.from != self.link.v4.guest {
            // Who has no address yet asks for one.
            let asks = packet.from.is_ipv4() && packet.from.is_unspecified() && packet.part.is_none();
            return if asks && packet.protocol == packet::UDP { self.dhcp(packet) } else { None };
        }
        self.whole(packet)
    }

    fn v6(&mut self, packet: &Packet<'_>) -> Handled {
        let IpAddr::V6(from) = packet.from else { return None };
        let neighbour = packet.protocol == packet::ICMPV6
            && packet.part.is_none()
            && (neighbours::is_one(packet.message) || is_report(packet.message));
        let own = self.link.v6.is_some_and(|v6| v6.guest == from);
        if neighbour && (own || from.is_unspecified() || from.is_unicast_link_local()) {
            if !is_report(packet.message)
                && let Some((from, to, message)) =
                    neighbours::answer(packet, &self.link, self.context.gateway_mac).ok()?
            {
                self.writer.try_send(self.writer.neighbour(from, to, message));
            }
            return Some(());
        }
        let asks_router = from.is_unicast_link_local()
            && packet.protocol == packet::ICMPV6
            && packet.to == neighbours::link_local(self.context.gateway_mac);
        if own || asks_router { self.whole(packet) } else { None }
    }

    /// Handles a packet from the box's own address once it is whole.
    fn whole(&mut self, packet: &Packet<'_>) -> Handled {
        let mtu = usize::from(self.link.mtu);
        if packet.bytes.len() > mtu && packet.whole {
            self.errors.answer(packet.bytes, Why::TooBig(self.link.mtu.into()));
            return None;
        }
        let Some(part) = packet.part else { return self.message(packet) };
        let (whole, given_up) = self.fragments.add(packet, part, Instant::now());
        for _ in 0..given_up {
            self.context.reports.counters.count_dropped();
        }
        let Some(whole) = whole else { return Some(()) };
        self.message(&Packet { part: None, bytes: &whole.quoted, message: &whole.message, ..*packet })
    }

    fn message(&mut self, packet: &Packet<'_>) -> Handled {
        match (packet.protocol, packet.to) {
            (packet::UDP, _) => self.udp(packet),
            (packet::ICMP, IpAddr::V4(_)) => self.echo(packet, 8, 0),
            (packet::ICMPV6, IpAddr::V6(_)) => self.echo(packet, 128, 129),
            _ => None,
        }
    }

    fn udp(&mut self, packet: &Packet<'_>) -> Handled {
        let datagram = UdpPacket::new_checked(packet.message).ok()?;
        let (from, to) = (datagram.src_port(), datagram.dst_port());
        if from == 0 || to == 0 {
            return None;
        }
        if to == dhcp::SERVER && (packet.to == self.link.v4.gateway || packet.to == Ipv4Addr::BROADCAST) {
            return self.dhcp(packet);
        }
        let flow = Flow {
            kind: Kind::Udp,
            guest: SocketAddr::new(packet.from, from),
            to: SocketAddr::new(packet.to, to),
        };
        if self.is_group(packet.to) {
            // A group of hosts is not answered (RFC 1122, 3.2.2).
            return self.flows.refuse_names(flow).then_some(());
        }
        if self.is_gateway(packet.to) {
            if to == DNS {
                return self.query(flow, datagram.payload());
            }
            self.errors.answer(packet.bytes, Why::Port);
            return Some(());
        }
        self.flows.send(flow, datagram.payload(), packet.bytes).then_some(())
    }

    fn dhcp(&self, packet: &Packet<'_>) -> Handled {
        let datagram = UdpPacket::new_checked(packet.message).ok()?;
        let to_server = packet.to == Ipv4Addr::BROADCAST || packet.to == self.link.v4.gateway;
        if (datagram.src_port(), datagram.dst_port()) != (dhcp::CLIENT, dhcp::SERVER) || !to_server {
            return None;
        }
        if let Some((to, payload)) = dhcp::answer(datagram.payload(), &self.link, &self.lease).ok()? {
            let from = SocketAddr::new(self.link.v4.gateway.into(), dhcp::SERVER);
            let frames = self.writer.udp(from, SocketAddr::new(to.into(), dhcp::CLIENT), &payload);
            self.writer.try_send(frames);
        }
        Some(())
    }

    /// Lets the name server answer a query.
    fn query(&self, flow: Flow, query: &[u8]) -> Handled {
        let place = Arc::clone(&self.queries).try_acquire_owned().ok()?;
        let (names, writer, query) = (Arc::clone(&self.context.names), self.writer.clone(), query.to_vec());
        tokio::spawn(async move {
            if let Some(answer) = names.answer(&query, false).await {
                writer.send(writer.udp(flow.to, flow.guest, &answer)).await;
            }
            drop(place);
        });
        Some(())
    }

    fn echo(&self, packet: &Packet<'_>, request: u8, reply: u8) -> Handled {
        let [kind, code, _, _, high, low, ..] = *packet.message.first_chunk::<8>()?;
        if kind != request || code != 0 || self.is_group(packet.to) {
            return None;
        }
        if self.is_gateway(packet.to) {
            let mut message = packet.message.to_vec();
            message[0] = reply;
            self.writer.try_send(self.writer.icmp(packet.to, packet.from, message));
            return Some(());
        }
        let flow = Flow {
            kind: Kind::Echo,
            guest: SocketAddr::new(packet.from, u16::from_be_bytes([high, low])),
            to: SocketAddr::new(packet.to, 0),
        };
        self.flows.send(flow, &packet.message[4..], packet.bytes).then_some(())
    }

    fn is_gateway(&self, address: IpAddr) -> bool {
        match address {
            IpAddr::V4(address) => address == self.link.v4.gateway,
            IpAddr::V6(address) => {
                self.link.v6.is_some_and(|v6| address == v6.gateway)
                    || address == neighbours::link_local(self.context.gateway_mac)
            }
        }
    }

    /// Whether an address is that of no single other host.
    fn is_group(&self, address: IpAddr) -> bool {
        let own: [IpAddr; 2] =
            [self.link.v4.guest.into(), self.link.v6.map_or(Ipv6Addr::UNSPECIFIED, |v6| v6.guest).into()];
        let everyone = match address {
            IpAddr::V4(address) => {
                let hosts = u32::MAX.checked_shr(self.link.v4.prefix.into()).unwrap_or(0);
                let on_link = (address.to_bits() ^ self.link.v4.guest.to_bits()) & !hosts == 0;
                address.is_broadcast() || (on_link && hosts > 1 && address.to_bits() & hosts == hosts)
            }
            IpAddr::V6(_) => false,
        };
        address.is_multicast() || address.is_unspecified() || everyone || own.contains(&address)
    }
}

/// Whether a message tells which groups its sender is a member of (RFC 3810), or is a neighbour's unasked advertisement. Kernels send them
/// by themselves.
fn is_report(message: &[u8]) -> bool {
    message.first().is_some_and(|kind| matches!(kind, 131 | 132 | 136 | 143))
}
