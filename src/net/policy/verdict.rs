//! The decision itself. Pure: everything it depends on is handed to it, and it reads no clock, no address of the host and no pin. Called by `egress.rs`.

use std::{fmt, net::IpAddr};

use boxlite_spec::network::{
    HOST_NAME,
    rule::{Group, Policy, Protocol, Rule, Target},
};

use super::group::{is_metadata_name, metadata_addresses};
use crate::decision::Destination;

/// The port of HTTPS, which over UDP is QUIC.
const HTTPS: u16 = 443;

/// A destination and everything that is known about it.
#[derive(Debug, Clone)]
pub(super) struct Facts<'a> {
    /// The destination. An IPv4 address is not written as IPv6.
    pub(super) to: Destination,
    /// Its group.
    pub(super) group: Group,
    /// Other addresses that are the same: the host's loopback for its address on the link.
    pub(super) same: &'static [IpAddr],
    /// Addresses that the address carries. What is refused by one of these is refused.
    pub(super) carried: Vec<IpAddr>,
    /// The names of the address, the likeliest first.
    pub(super) names: &'a [Known<'a>],
}

/// A name of a destination.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Known<'a> {
    /// The name, in lower case.
    pub(super) name: &'a str,
    /// How the name came to the address.
    pub(super) bond: Bond,
}

/// How a name came to an address.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Bond {
    /// The box says so. No rule by name allows anything for that.
    Claimed,
    /// This box has resolved the name to the address.
    Resolved,
    /// The user gave the name this address.
    Fixed,
}

/// What is decided.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Verdict<'a> {
    /// It may be reached.
    Allowed {
        /// The name for which it may.
        name: Option<&'a str>,
        /// Whether the connection's own name has to be looked at.
        by_name: bool,
    },
    /// It may not.
    Refused(Why<'a>),
}

/// Why a destination is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Why<'a> {
    /// By this rule.
    Rule(&'a Rule),
    /// It is a name service other than the gateway's, and no rule states its port.
    NameService,
    /// It is QUIC, which hides the name that would have to be looked at.
    Quic,
    /// No rule matched.
    Default,
}

impl fmt::Display for Why<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Rule(rule) => rule.fmt(f),
            Self::NameService => f.write_str("dns"),
            Self::Quic => f.write_str("quic"),
            Self::Default => f.write_str("default"),
        }
    }
}

/// Decides about a destination.
pub(super) fn destination<'a>(policy: &'a Policy, facts: &Facts<'a>) -> Verdict<'a> {
    let denying = || policy.deny.iter().filter(|rule| covers(rule, facts.to));
    if let Some(rule) = denying().find(|rule| is_denied_address(rule, facts)) {
        return Verdict::Refused(Why::Rule(rule));
    }
    let denied = |known: &Known<'a>| denying().find(|rule| is_name(&rule.target, known.name));
    if let Some(first) = facts.names.first().and_then(denied)
        && facts.names.iter().all(|known| denied(known).is_some())
    {
        return Verdict::Refused(Why::Rule(first));
    }
    let mut names = facts.names.iter().filter(|known| denied(known).is_none());
    // Other names may have this address, so that the connection has to say which one it means.
    let has_denied_names = denying()
        .any(|rule| matches!(rule.target, Target::Name(_) | Target::Below(_)) && !is_host(&rule.target));
    let is_quic = facts.to.protocol == Protocol::Udp && facts.to.port == HTTPS;

    let allowed = match &policy.allow {
        None => facts.group == Group::Public && !is_dns_transport(facts.to),
        Some(rules) => allowing(rules, facts.to).any(|rule| is_address(rule, facts)),
    };
    if allowed && !(has_denied_names && is_quic) {
        return Verdict::Allowed { name: names.next().map(|known| known.name), by_name: has_denied_names };
    }
    let by_name = names.find(|known| {
        allowing(policy.allow.as_deref().unwrap_or_default(), facts.to)
            .any(|rule| is_name(&rule.target, known.name) && is_open_by_name(facts.group, known.bond))
    });
    match by_name {
        Some(_) if is_quic => Verdict::Refused(Why::Quic),
        Some(known) => Verdict::Allowed { name: Some(known.name), by_name: true },
        None if allowed => Verdict::Refused(Why::Quic),
        None if is_dns_transport(facts.to) => Verdict::Refused(Why::NameService),
        None => Verdict::Refused(Why::Default),
    }
}

/// Decides whether a name may be asked for, whatever port is meant.
///
/// # Errors
/// The rule that refuses, or `None` if none allows it.
pub(super) fn name<'a>(policy: &'a Policy, name: &str) -> Result<(), Option<&'a Rule>> {
    let denied = policy.deny.iter().filter(|rule| covers_everything(rule)).find(|rule| {
        is_name(&rule.target, name)
            || (is_metadata_name(name) && rule.target == Target::Group(Group::Metadata))
    });
    if denied.is_some() {
        return Err(denied);
    }
    let opens = |rule: &Rule| is_name(&rule.target, name);
    let allowed = match &policy.allow {
        None => !is_metadata_name(name),
        Some(rules) if is_metadata_name(name) => {
            rules.iter().any(|rule| opens(rule) || is_about_metadata(&rule.target))
        }
        Some(rules) => rules.iter().any(|rule| opens(rule) || is_about_internet(&rule.target)),
    };
    if allowed { Ok(()) } else { Err(None) }
}

/// Decides whether an address may be in the answer to a query, whatever port is meant. `facts.to` has any port and protocol.
///
/// # Errors
/// The rule that refuses, or `None` if none allows it.
pub(super) fn answer<'a>(policy: &'a Policy, facts: &Facts<'a>) -> Result<(), Option<&'a Rule>> {
    let denied = policy.deny.iter().find(|rule| covers_everything(rule) && is_denied_address(rule, facts));
    if denied.is_some() {
        return Err(denied);
    }
    let allowed = match &policy.allow {
        None => facts.group == Group::Public,
        Some(rules) => rules.iter().any(|rule| {
            is_address(rule, facts)
                || facts.names.iter().any(|known| {
                    is_name(&rule.target, known.name) && is_open_by_name(facts.group, known.bond)
                })
        }),
    };
    if allowed { Ok(()) } else { Err(None) }
}

/// The rules that allow something at this port. The ports of DNS belong to the gateway unless a rule states them.
fn allowing(rules: &[Rule], to: Destination) -> impl Iterator<Item = &Rule> {
    rules.iter().filter(move |rule| covers(rule, to) && (rule.ports.is_some() || !is_dns_transport(to)))
}

/// Whether a rule is about this port and protocol.
fn covers(rule: &Rule, to: Destination) -> bool {
    let ports = rule.ports.as_ref();
    rule.protocol.is_none_or(|protocol| protocol == to.protocol)
        && ports.is_none_or(|ports| to.protocol != Protocol::Icmp && ports.contains(&to.port))
}

/// Whether a rule is about every port and protocol.
fn covers_everything(rule: &Rule) -> bool {
    rule.protocol.is_none() && rule.ports.is_none()
}

/// Whether a port carries name resolution past the gateway: DNS, DNS over TLS and QUIC, mDNS and LLMNR.
fn is_dns_transport(to: Destination) -> bool {
    match to.protocol {
        Protocol::Tcp => matches!(to.port, 53 | 853 | 5355),
        Protocol::Udp => matches!(to.port, 53 | 784 | 853 | 5353 | 5355 | 8853),
        Protocol::Icmp => false,
    }
}

/// Whether a rule by address or group is about this destination.
fn is_address(rule: &Rule, facts: &Facts<'_>) -> bool {
    match &rule.target {
        Target::Group(group) => *group == facts.group,
        Target::Net(net) => {
            net.contains(&facts.to.address) || facts.same.iter().any(|same| net.contains(same))
        }
        target => is_host(target) && facts.group == Group::Host,
    }
}

/// Whether a rule by address or group refuses this destination, or an address that it carries.
fn is_denied_address(rule: &Rule, facts: &Facts<'_>) -> bool {
    let carries = || match &rule.target {
        Target::Net(net) => facts.carried.iter().any(|address| net.contains(address)),
        _ => false,
    };
    is_address(rule, facts) || carries()
}

/// Whether a rule is about this name.
fn is_name(target: &Target, name: &str) -> bool {
    match target {
        Target::Name(this) => this == name,
        Target::Below(above) => {
            name.strip_suffix(above.as_str()).is_some_and(|rest| rest.len() > 1 && rest.ends_with('.'))
        }
        Target::Net(_) | Target::Group(_) => false,
    }
}

/// Whether a rule means the host by its name.
fn is_host(target: &Target) -> bool {
    matches!(target, Target::Name(name) if name == HOST_NAME)
}

/// Whether a rule by name suffices: not for what the name's owner could have made it point to.
fn is_open_by_name(group: Group, bond: Bond) -> bool {
    match bond {
        Bond::Claimed => false,
        Bond::Resolved => group == Group::Public,
        Bond::Fixed => true,
    }
}

/// Whether a rule opens the whole internet, so that a query tells nobody anything that the box could not tell anyway.
fn is_about_internet(target: &Target) -> bool {
    match target {
        Target::Group(group) => *group == Group::Public,
        Target::Net(net) => net.prefix_len() == 0,
        Target::Name(_) | Target::Below(_) => false,
    }
}

fn is_about_metadata(target: &Target) -> bool {
    match target {
        Target::Group(group) => *group == Group::Metadata,
        Target::Net(net) => metadata_addresses().any(|address| net.contains(&address)),
        Target::Name(_) | Target::Below(_) => false,
    }
}
