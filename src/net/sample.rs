//! The network of a box as tests and fuzz targets have it: each says only what it is about, and takes the rest from here. No part of a release.
#![allow(clippy::unwrap_used, reason = "a test may panic")]

use std::net::Ipv6Addr;

use boxlite_spec::network::{
    Addresses, BackendKind, DnsSpec, LinkSpec, NetworkLimits, NetworkSpec, rule::Policy,
};

/// A network on 192.168.127.0/24 with everything else as it is by default.
pub(crate) fn network() -> NetworkSpec {
    NetworkSpec {
        backend: BackendKind::Gateway,
        program: None,
        link: link([192, 168, 127], None),
        policy: Policy::default(),
        dns: DnsSpec::default(),
        secrets: Vec::new(),
        ca_certificates: String::new(),
        limits: NetworkLimits::default(),
        proxy: None,
    }
}

/// A link on a /24 of IPv4, whose first three bytes are given, and on a /64 of IPv6, whose first two are. The box ends in 2, the gateway in
/// 1 and the host in 254.
pub(crate) fn link([a, b, c]: [u8; 3], v6: Option<u16>) -> LinkSpec {
    let v4 = |last| [a, b, c, last].into();
    LinkSpec {
        mac: [2, 0, 0, 0, 0, 1],
        mtu: 1500,
        v4: Addresses { guest: v4(2), gateway: v4(1), host: v4(254), prefix: 24 },
        v6: v6.map(|first| {
            let v6 = |last| Ipv6Addr::new(first, 0, 0, 0, 0, 0, 0, last);
            Addresses { guest: v6(2), gateway: v6(1), host: v6(0xfe), prefix: 64 }
        }),
    }
}

/// A policy of these rules.
#[cfg(test)]
pub(crate) fn policy(allow: Option<&[&str]>, deny: &[&str]) -> Policy {
    let rules = |texts: &[&str]| texts.iter().map(|text| text.parse().unwrap()).collect();
    Policy { allow: allow.map(rules), deny: rules(deny) }
}
