//! A flow of datagrams, as the box sees it.

use std::net::SocketAddr;

use boxlite_spec::network::rule::Protocol;

/// A flow of datagrams.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct Flow {
    /// What it carries.
    pub(super) kind: Kind,
    /// The box's end. The port of an echo is its ident.
    pub(super) guest: SocketAddr,
    /// The other end. The port of an echo is 0.
    pub(super) to: SocketAddr,
}

/// What a flow carries.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum Kind {
    /// UDP.
    Udp,
    /// ICMP echo.
    Echo,
}

impl Kind {
    /// The protocol, for the policy.
    pub(super) const fn protocol(self) -> Protocol {
        match self {
            Self::Udp => Protocol::Udp,
            Self::Echo => Protocol::Icmp,
        }
    }
}
