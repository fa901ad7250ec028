//! A started gateway with a guest, and what a policy, a name server and a handler of datagrams are in the tests. Any address outside leads
//! to the same port of the host's 127.0.0.1, where the tests have their servers.

use std::{
    collections::HashSet,
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpListener, TcpStream},
    sync::{Arc, Mutex},
    time::Duration,
};

use boxlite_spec::network::{
    NetworkLimits, NetworkSpec, ProxySpec,
    rule::{Policy, Target},
};
use socket2::{Domain, Socket, Type};

use super::guest::Guest;
use crate::{
    backend::{NetworkBackend, Reports},
    decision::{Allowed, Decide, Decision, Destination, Refused},
    gateway::{
        Gateway, Services,
        datagrams::{DatagramContext, Datagrams},
        inspector::Inspector,
        names::{Answer, NameServer},
        parts::Patience,
    },
    numbers::octets,
    sample::{link, network},
};

/// An address outside.
pub(super) const OUTSIDE: Ipv4Addr = Ipv4Addr::new(203, 0, 113, 7);
/// Another one, which is refused.
pub(super) const REFUSED: Ipv4Addr = Ipv4Addr::new(203, 0, 113, 66);
/// One in IPv6.
pub(super) const OUTSIDE_V6: Ipv6Addr = Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 7);

/// Refuses some addresses, and the names that begin with `bad`.
#[derive(Debug, Default)]
pub(super) struct FakePolicy(pub Mutex<HashSet<IpAddr>>);

impl Decide for FakePolicy {
    fn decide(&self, to: Destination) -> Decision {
        if to.address == REFUSED || self.0.lock().unwrap().contains(&to.address) {
            return Decision::Refused(Refused {
                rule: "203.0.113.66".into(),
                name: Some("refused.test".into()),
            });
        }
        let dial = SocketAddr::new(Ipv4Addr::LOCALHOST.into(), to.port);
        Decision::Allowed(Allowed { dial, name: Some("outside.test".into()), by_name: false })
    }

    fn decide_named(&self, to: Destination, name: &str) -> Decision {
        if name.starts_with("bad") {
            return Decision::Refused(Refused { rule: "bad".into(), name: Some(name.into()) });
        }
        self.decide(to)
    }

    /// Refuses the addresses of the policy's rules.
    fn set_policy(&self, policy: &Policy) {
        let nets = policy.deny.iter().filter_map(|rule| match rule.target {
            Target::Net(net) => Some(net.addr()),
            _ => None,
        });
        *self.0.lock().unwrap() = nets.collect();
    }
}

/// Answers with the query in reverse.
#[derive(Debug)]
pub(super) struct FakeNames;

impl NameServer for FakeNames {
    fn answer<'a>(&'a self, query: &'a [u8], over_tcp: bool) -> Answer<'a> {
        assert!(over_tcp);
        Box::pin(async move { Some(query.iter().rev().copied().collect()) })
    }
}

/// Sends every frame back, with the addresses of its header exchanged.
struct Mirror(DatagramContext);

impl Datagrams for Mirror {
    fn handle(&mut self, frame: &[u8]) {
        let back = [&frame[6..12], &self.0.gateway_mac[..], &frame[12..]].concat();
        self.0.frames.try_send(back);
    }

    fn recheck(&mut self) {}
}

/// What a test may choose.
pub(super) struct Choice {
    pub limits: NetworkLimits,
    pub patience: Patience,
    pub inspector: Option<Arc<dyn Inspector>>,
    pub proxy: Option<String>,
    pub offload: bool,
}

impl Default for Choice {
    fn default() -> Self {
        Self {
            limits: NetworkLimits { new_per_second: 1_000_000, ..NetworkLimits::default() },
            patience: Patience::default(),
            inspector: None,
            proxy: None,
            offload: true,
        }
    }
}

/// A gateway and a guest.
pub(super) struct Rig {
    pub gateway: Gateway,
    pub guest: Guest,
    pub reports: Reports,
}

pub(super) fn rig() -> Rig {
    rig_with(Choice::default())
}

pub(super) fn rig_with(choice: Choice) -> Rig {
    let services = Services {
        decide: Arc::new(FakePolicy::default()),
        names: Arc::new(FakeNames),
        inspector: choice.inspector,
        datagrams: Box::new(|context| Box::new(Mirror(context))),
    };
    let mut gateway = Gateway::new(services, choice.offload);
    gateway.patience = choice.patience;
    let spec = NetworkSpec {
        link: link([10, 107, 0], Some(0xfd87)),
        limits: choice.limits,
        proxy: choice.proxy.map(|url| ProxySpec { url, except: Vec::new() }),
        ..network()
    };
    let reports = Reports::default();
    let attachment = gateway.start(&spec, reports.clone()).unwrap();
    let guest = Guest::new(attachment.socket, &spec.link, choice.offload);
    Rig { gateway, guest, reports }
}

/// A listener on the host's 127.0.0.1, and its address as the box sees it.
pub(super) fn server() -> (TcpListener, SocketAddr) {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let port = listener.local_addr().unwrap().port();
    (listener, (OUTSIDE, port).into())
}

/// A server whose queue is full, so that its host does not answer.
pub(super) fn silent_server() -> (Socket, Vec<TcpStream>, u16) {
    let socket = Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
    socket.bind(&SocketAddr::from((Ipv4Addr::LOCALHOST, 0)).into()).unwrap();
    socket.listen(0).unwrap();
    let address = socket.local_addr().unwrap().as_socket().unwrap();
    let mut queue = Vec::new();
    while let Ok(stream) = TcpStream::connect_timeout(&address, Duration::from_millis(50)) {
        queue.push(stream);
        assert!(queue.len() < 100);
    }
    (socket, queue, address.port())
}

/// Bytes that repeat nowhere near.
pub(super) fn bytes(count: usize) -> Vec<u8> {
    octets().take(count).collect()
}
