//! No way to the host but by policy: the gateway as the shim makes it, with its real policy, name server and inspector, and a box that sends
//! packets to every address that could mean this machine.

use std::{
    io,
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpListener, UdpSocket},
    sync::Arc,
    time::Duration,
};

use boxlite_spec::network::{
    NetworkSpec,
    rule::{Policy, Protocol},
};
use nix::ifaddrs::getifaddrs;

use super::{guest::Guest, raw::packet};
use crate::{
    backend::{NetworkBackend, Reports},
    dns,
    gateway::{
        Gateway, Services,
        datagrams::{self, Lease},
        frame,
        intercept::Intercept,
    },
    policy::Egress,
    sample::{link, network, policy},
};

/// Listens at every address of this machine, for TCP and UDP at one port.
struct Machine {
    tcp: TcpListener,
    udp: UdpSocket,
}

impl Machine {
    fn listen() -> Self {
        // A machine may have no IPv6, and another program may have the port for UDP.
        let any: [IpAddr; 2] = [Ipv6Addr::UNSPECIFIED.into(), Ipv4Addr::UNSPECIFIED.into()];
        let listen = |any: IpAddr| -> io::Result<Self> {
            let tcp = TcpListener::bind((any, 0))?;
            let udp = UdpSocket::bind(tcp.local_addr()?)?;
            tcp.set_nonblocking(true)?;
            udp.set_nonblocking(true)?;
            Ok(Self { tcp, udp })
        };
        any.into_iter().cycle().take(20).find_map(|any| listen(any).ok()).unwrap()
    }

    fn port(&self) -> u16 {
        self.tcp.local_addr().unwrap().port()
    }

    /// Whether a connection, and whether a datagram has come since the last call.
    fn is_reached(&self) -> (bool, bool) {
        (self.tcp.accept().is_ok(), self.udp.recv(&mut [0; 8]).is_ok())
    }
}

/// Starts a gateway with this policy, and what the shim gives it besides.
pub(super) fn start(policy: Policy) -> (Gateway, Guest, Reports) {
    let spec = NetworkSpec { link: link([10, 107, 0], Some(0xfd87)), policy, ..network() };
    let reports = Reports::default();
    let egress = Egress::new(&spec);
    let names = dns::Server::new(&spec, Arc::clone(&egress), reports.clone());
    let intercept = Intercept::new(&spec, egress, reports.clone()).unwrap();
    let services = Services {
        decide: intercept.decide(),
        names,
        inspector: Some(Arc::new(intercept)),
        datagrams: datagrams::make(Lease::default()),
    };
    let mut gateway = Gateway::new(services, true);
    let attachment = gateway.start(&spec, reports.clone()).unwrap();
    let guest = Guest::new(attachment.socket, &spec.link, true);
    (gateway, guest, reports)
}

/// Sends a packet from the box's own address.
fn send(guest: &mut Guest, to: SocketAddr, protocol: Protocol) {
    let (from, kind): (IpAddr, _) = match to {
        SocketAddr::V4(_) => (guest.link.v4.guest.into(), frame::IPV4),
        SocketAddr::V6(_) => (guest.link.v6.unwrap().guest.into(), frame::IPV6),
    };
    let frame = [guest.header(kind), packet(from, to, protocol, b"data")].concat();
    guest.send_frame(&frame);
}

/// The addresses of this machine, and every other that could lead to it.
fn addresses() -> Vec<IpAddr> {
    let own = getifaddrs().unwrap().filter_map(|interface| {
        let address = interface.address?;
        let v4 = address.as_sockaddr_in().map(|v4| IpAddr::from(v4.ip()));
        v4.or_else(|| address.as_sockaddr_in6().map(|v6| v6.ip().into()))
    });
    let written = [
        "127.0.0.1",
        "127.1.2.3",
        "0.0.0.0",
        "0.0.0.1",
        "255.255.255.255",
        "224.0.0.1",
        "10.107.0.1",
        "10.107.0.2",
        "10.107.0.254",
        "10.107.0.255",
        "::",
        "::1",
        "::127.0.0.1",
        "::ffff:127.0.0.1",
        "::ffff:0:127.0.0.1",
        "64:ff9b::127.0.0.1",
        "2002:7f00:1::",
        "fd87::1",
        "fd87::2",
        "fd87::fe",
        "fe80::1",
        "ff02::1",
    ];
    own.chain(written.map(|text| text.parse().unwrap())).collect()
}

#[test]
fn network_pitfalls_metadata_private_no_packet_reaches_the_host_but_by_a_rule() {
    let machine = Machine::listen();
    let (_gateway, mut guest, reports) = start(policy(None, &[]));
    let mut sent = 0;
    for address in addresses() {
        for protocol in [Protocol::Tcp, Protocol::Udp, Protocol::Icmp] {
            send(&mut guest, (address, machine.port()).into(), protocol);
            sent += 1;
        }
    }
    guest.until("all are read", |_| reports.counters.read().sent_packets >= sent);
    // If one was on its way to the machine, it arrives now.
    guest.pause(Duration::from_millis(100));
    assert_eq!(machine.is_reached(), (false, false));
    let metrics = reports.counters.read();
    assert_eq!((metrics.connections_total, guest.syn_acks), (0, 0), "{metrics:?}");

    let rule = format!("host:{}", machine.port());
    let (_gateway, mut guest, _) = start(policy(Some(&[&rule]), &[]));
    let alias = (guest.link.v4.host, machine.port()).into();
    send(&mut guest, alias, Protocol::Tcp);
    send(&mut guest, alias, Protocol::Udp);
    let mut reached = (false, false);
    guest.until("the rule opens it", |_| {
        let (tcp, udp) = machine.is_reached();
        reached = (reached.0 || tcp, reached.1 || udp);
        reached == (true, true)
    });
}
