//! How the parts of a backend ask the policy what the box may reach. Implemented by the policy of a box; asked at every SYN, at the first
//! datagram to a destination, at every DNS query and at the first bytes of a connection that only a name allows.

use std::{
    fmt,
    net::{IpAddr, Ipv4Addr, SocketAddr},
};

use boxlite_spec::network::rule::{Policy, Protocol};

/// Where the box wants to go.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Destination {
    /// The protocol.
    pub protocol: Protocol,
    /// The address, as the box wrote it.
    pub address: IpAddr,
    /// The port; 0 for ICMP.
    pub port: u16,
}

/// What the policy says about a destination.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Decision {
    /// It may be reached.
    Allowed(Allowed),
    /// It may not.
    Refused(Refused),
}

/// How an allowed destination is reached.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Allowed {
    /// Where the host's socket connects to. It is the destination itself, except for the host's address on the link, whose connections go
    /// to the host's own `127.0.0.1` or `::1`.
    pub dial: SocketAddr,
    /// The name by which this box resolved the address, if it is known. A proxy is asked for the name rather than for the address.
    pub name: Option<String>,
    /// Whether a name decides, since only a rule by name allows it or since a rule refuses names. Then a name in the connection's first
    /// bytes (SNI, Host) has to be allowed too; a connection of a protocol without names goes on. QUIC, which hides its name, is refused
    /// instead.
    pub by_name: bool,
}

/// Why a destination is refused.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refused {
    /// The text of the rule that refused, or `default` where none matched.
    pub rule: String,
    /// The name, if one is known.
    pub name: Option<String>,
}

/// A policy that may be replaced while it is asked. Every call is short and never waits.
pub trait Decide: Send + Sync + fmt::Debug {
    /// Decides about a destination, by its address and by the names that this box has resolved to it. IPv4 addresses that are mapped into
    /// IPv6 are decided on as IPv4.
    fn decide(&self, to: Destination) -> Decision;

    /// Decides about a destination whose name (lower case, without a final dot) has been read from the connection itself. A rule by name
    /// allows it only if the name has been resolved to this address.
    fn decide_named(&self, to: Destination, name: &str) -> Decision;

    /// Decides about a port of a name that no server here knows, so that only the host's proxy may find its address. Returns an address
    /// that stands for it from now on. Rules by address and `public` take it for a public one.
    /// A policy that can't refuses.
    fn decide_unresolved(&self, name: &str, port: u16) -> (Destination, Decision) {
        let to = Destination { protocol: Protocol::Tcp, address: Ipv4Addr::UNSPECIFIED.into(), port };
        let rule = "a name without an address".into();
        (to, Decision::Refused(Refused { rule, name: Some(name.to_owned()) }))
    }

    /// Replaces the policy.
    fn set_policy(&self, policy: &Policy);
}
