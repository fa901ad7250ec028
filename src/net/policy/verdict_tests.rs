//! Tests of the decision: what each kind of rule means, and properties that hold for any policy.

use std::net::IpAddr;

use boxlite_spec::network::rule::{Group, Policy, Protocol, Rule};
use proptest::prelude::*;

use super::verdict::{self, Bond, Facts, Known, Verdict, Why};
use crate::{decision::Destination, sample::policy};

const SOMEWHERE: IpAddr = IpAddr::V4(std::net::Ipv4Addr::new(192, 0, 2, 1));

fn facts<'a>(protocol: Protocol, port: u16, group: Group, names: &'a [Known<'a>]) -> Facts<'a> {
    Facts {
        to: Destination { protocol, address: SOMEWHERE, port },
        group,
        same: &[],
        carried: Vec::new(),
        names,
    }
}

fn known(name: &str, bond: Bond) -> Known<'_> {
    Known { name, bond }
}

fn is_allowed(policy: &Policy, facts: &Facts<'_>) -> bool {
    matches!(verdict::destination(policy, facts), Verdict::Allowed { .. })
}

fn refusing(policy: &Policy, facts: &Facts<'_>) -> Option<String> {
    match verdict::destination(policy, facts) {
        Verdict::Refused(why) => Some(why.to_string()),
        Verdict::Allowed { .. } => None,
    }
}

#[test]
fn network_pitfalls_metadata_private_are_closed_for_every_protocol_by_default() {
    let policy = policy(None, &[]);
    for protocol in [Protocol::Tcp, Protocol::Udp, Protocol::Icmp] {
        for group in [Group::Private, Group::Host, Group::Metadata] {
            let refused = refusing(&policy, &facts(protocol, 80, group, &[]));
            assert_eq!(refused.as_deref(), Some("default"), "{protocol:?} {group:?}");
        }
        assert!(is_allowed(&policy, &facts(protocol, 80, Group::Public, &[])), "{protocol:?}");
    }
}

#[test]
fn the_first_rule_that_matches_decides_and_refusing_ones_come_first() {
    let policy = policy(Some(&["public", "private"]), &["192.0.2.0/24:25", "public:25", "private"]);
    assert_eq!(refusing(&policy, &facts(Protocol::Tcp, 25, Group::Public, &[])).unwrap(), "192.0.2.0/24:25");
    assert_eq!(refusing(&policy, &facts(Protocol::Tcp, 80, Group::Private, &[])).unwrap(), "private");
    assert!(is_allowed(&policy, &facts(Protocol::Tcp, 80, Group::Public, &[])));
    assert_eq!(refusing(&policy, &facts(Protocol::Tcp, 80, Group::Host, &[])).unwrap(), "default");
}

#[test]
fn an_empty_list_allows_nothing() {
    let policy = policy(Some(&[]), &[]);
    assert_eq!(refusing(&policy, &facts(Protocol::Tcp, 80, Group::Public, &[])).unwrap(), "default");
    assert!(verdict::name(&policy, "a.test").is_err());
}

#[test]
fn network_pitfalls_ports_in_allow_lists() {
    let policy = policy(Some(&["public:443/tcp", "public:8000-8100"]), &[]);
    let is_allowed = |protocol, port| is_allowed(&policy, &facts(protocol, port, Group::Public, &[]));
    assert!(
        is_allowed(Protocol::Tcp, 443) && !is_allowed(Protocol::Udp, 443) && !is_allowed(Protocol::Tcp, 444)
    );
    assert!(
        is_allowed(Protocol::Udp, 8000)
            && is_allowed(Protocol::Udp, 8100)
            && !is_allowed(Protocol::Udp, 8101)
    );
    // ICMP has no ports.
    assert!(!is_allowed(Protocol::Icmp, 0) && !is_allowed(Protocol::Icmp, 443));
}

#[test]
fn network_pitfalls_other_dns_transports_need_a_rule_with_their_port() {
    let transports = [
        (Protocol::Tcp, 53),
        (Protocol::Udp, 53),
        (Protocol::Tcp, 853),
        (Protocol::Udp, 853),
        (Protocol::Udp, 5353),
        (Protocol::Udp, 5355),
    ];
    for (protocol, port) in transports {
        let facts = facts(protocol, port, Group::Public, &[]);
        for open in [policy(None, &[]), policy(Some(&["public", "192.0.2.1"]), &[])] {
            assert_eq!(refusing(&open, &facts).as_deref(), Some("dns"), "{protocol:?} {port}");
        }
        assert!(
            is_allowed(&policy(Some(&[&format!("192.0.2.1:{port}")]), &[]), &facts),
            "{protocol:?} {port}"
        );
    }
    // DNS over HTTPS is a host like any other.
    let doh = [known("dns.test", Bond::Resolved)];
    let to_doh = facts(Protocol::Tcp, 443, Group::Public, &doh);
    assert!(!is_allowed(&policy(Some(&["a.test"]), &[]), &to_doh));
    assert!(is_allowed(&policy(Some(&["dns.test"]), &[]), &to_doh));
}

#[test]
fn network_pitfalls_quic_is_refused_where_a_name_decides() {
    let names = [known("a.test", Bond::Resolved)];
    let quic = facts(Protocol::Udp, 443, Group::Public, &names);
    // Not even a rule that says so: the name in QUIC is hidden, and other hosts may have the same address.
    for closed in
        [policy(Some(&["a.test"]), &[]), policy(Some(&["a.test:443/udp"]), &[]), policy(None, &["b.test"])]
    {
        assert_eq!(refusing(&closed, &quic).as_deref(), Some("quic"), "{closed:?}");
    }
    assert!(is_allowed(&policy(Some(&["a.test", "192.0.2.1:443/udp"]), &[]), &quic));
    assert!(is_allowed(&policy(None, &[]), &quic));
    assert!(is_allowed(&policy(None, &["b.test:80"]), &quic));
}

#[test]
fn network_pitfalls_rebinding_a_rule_by_name_does_not_open_what_is_not_public() {
    let policy = policy(Some(&["a.test", "host:80"]), &[]);
    for group in [Group::Private, Group::Host, Group::Metadata] {
        let (resolved, fixed) = ([known("a.test", Bond::Resolved)], [known("a.test", Bond::Fixed)]);
        assert!(!is_allowed(&policy, &facts(Protocol::Tcp, 443, group, &resolved)), "{group:?}");
        assert!(
            verdict::answer(&policy, &facts(Protocol::Tcp, 0, group, &resolved)).is_ok()
                == (group == Group::Host)
        );
        // The user has said where it points to.
        assert!(is_allowed(&policy, &facts(Protocol::Tcp, 443, group, &fixed)), "{group:?}");
    }
    let claimed = [known("a.test", Bond::Claimed)];
    assert!(!is_allowed(&policy, &facts(Protocol::Tcp, 443, Group::Public, &claimed)));
    // A rule by group opens it, and the name is not asked for then.
    let both = facts(Protocol::Tcp, 80, Group::Host, &[]);
    assert_eq!(verdict::destination(&policy, &both), Verdict::Allowed { name: None, by_name: false });
}

#[test]
fn network_pitfalls_addresses_shared_by_a_cdn_are_decided_on_by_the_connections_name() {
    let policy = policy(Some(&["good.test"]), &["good.test:25"]);
    let names = [known("bad.test", Bond::Resolved), known("good.test", Bond::Resolved)];
    let shared = facts(Protocol::Tcp, 443, Group::Public, &names);
    assert_eq!(
        verdict::destination(&policy, &shared),
        Verdict::Allowed { name: Some("good.test"), by_name: true }
    );
    let only = facts(Protocol::Tcp, 443, Group::Public, &names[..1]);
    assert_eq!(verdict::destination(&policy, &only), Verdict::Refused(Why::Default));
    let refusing = super::verdict_tests::policy(None, &["bad.test"]);
    assert_eq!(
        verdict::destination(&refusing, &shared),
        Verdict::Allowed { name: Some("good.test"), by_name: true }
    );
    assert_eq!(verdict::destination(&refusing, &only), Verdict::Refused(Why::Rule(&refusing.deny[0])));
}

#[test]
fn names_are_matched_by_labels() {
    let allows = |rule: &str, name: &str| verdict::name(&policy(Some(&[rule]), &[]), name).is_ok();
    assert!(allows("a.test", "a.test") && !allows("a.test", "x.a.test") && !allows("a.test", "ba.test"));
    assert!(allows("*.a.test", "x.a.test") && allows("*.a.test", "y.x.a.test"));
    assert!(
        !allows("*.a.test", "a.test") && !allows("*.a.test", "xa.test") && !allows("*.a.test", ".a.test")
    );
}

#[test]
fn network_pitfalls_dns_as_a_leak_only_what_may_be_reached_is_asked_for() {
    let asks =
        |allow: Option<&[&str]>, deny: &[&str], name: &str| verdict::name(&policy(allow, deny), name).is_ok();
    assert!(asks(None, &[], "anything.test") && asks(Some(&["public:443"]), &[], "anything.test"));
    assert!(asks(Some(&["0.0.0.0/0"]), &[], "anything.test"));
    // Who may not reach the internet tells it nothing by names either.
    assert!(!asks(Some(&["10.0.0.0/8", "private", "host", "192.0.2.1"]), &[], "anything.test"));
    assert!(asks(Some(&["private", "*.corp.test"]), &[], "db.corp.test"));
    // A refused name is not asked for, unless only some of its ports are refused.
    assert!(!asks(None, &["a.test"], "a.test") && asks(None, &["a.test:80"], "a.test"));
}

#[test]
fn network_pitfalls_metadata_private_names_are_closed_too() {
    let asks = |allow: Option<&[&str]>, deny: &[&str]| {
        verdict::name(&policy(allow, deny), "metadata.google.internal").is_ok()
    };
    assert!(!asks(None, &[]) && !asks(Some(&["public", "*.test"]), &[]));
    assert!(asks(Some(&["metadata"]), &[]) && asks(Some(&["169.254.169.254"]), &[]));
    assert!(!asks(Some(&["metadata"]), &["metadata"]));
}

#[test]
fn what_an_address_carries_is_refused_but_not_allowed_by_it() {
    let inner: IpAddr = [198, 51, 100, 1].into();
    let mut to = facts(Protocol::Tcp, 80, Group::Public, &[]);
    to.to.address = "64:ff9b::198.51.100.1".parse().unwrap();
    to.carried = vec![inner];
    assert!(is_allowed(&policy(None, &[]), &to));
    assert_eq!(refusing(&policy(None, &["198.51.100.0/24"]), &to).unwrap(), "198.51.100.0/24");
    assert!(!is_allowed(&policy(Some(&["198.51.100.0/24"]), &[]), &to));
}

const RULES: [&str; 14] = [
    "public",
    "private",
    "host:80",
    "metadata",
    "192.0.2.0/24",
    "192.0.2.1:443/tcp",
    "0.0.0.0/0:1-1023",
    "a.test",
    "*.test:443",
    "b.test/udp",
    "a.test:53",
    "public/icmp",
    "host.boxlite.internal",
    "198.51.100.0/24",
];

fn rules() -> impl Strategy<Value = Vec<Rule>> {
    prop::collection::vec(prop::sample::select(&RULES[..]).prop_map(|text| text.parse().unwrap()), 0..5)
}

prop_compose! {
    fn any_facts()(
        protocol in prop::sample::select(vec![Protocol::Tcp, Protocol::Udp, Protocol::Icmp]),
        port in prop::sample::select(vec![53, 80, 443, 853, 5353, 8080]),
        group in prop::sample::select(Group::ALL.map(|(group, _)| group).to_vec()),
        names in prop::collection::vec(
            (
                prop::sample::select(&["a.test", "b.test", "c.example"][..]),
                prop::sample::select(vec![Bond::Claimed, Bond::Resolved, Bond::Fixed]),
            ),
            0..3,
        ),
    ) -> (Protocol, u16, Group, Vec<(&'static str, Bond)>) {
        (protocol, if protocol == Protocol::Icmp { 0 } else { port }, group, names)
    }
}

proptest! {
    #[test]
    fn a_rule_more_that_refuses_never_opens_and_one_more_that_allows_never_closes(
        allow in rules(), deny in rules(), more in rules(), (protocol, port, group, names) in any_facts(),
    ) {
        let names: Vec<Known<'_>> = names.iter().map(|(name, bond)| known(name, *bond)).collect();
        let facts = facts(protocol, port, group, &names);
        let base = Policy { allow: Some(allow.clone()), deny: deny.clone() };
        let tighter = Policy { allow: Some(allow.clone()), deny: [deny.clone(), more.clone()].concat() };
        let wider = Policy { allow: Some([allow, more].concat()), deny };
        prop_assert!(!is_allowed(&tighter, &facts) || is_allowed(&base, &facts));
        prop_assert!(!is_allowed(&base, &facts) || is_allowed(&wider, &facts));
        prop_assert!(verdict::name(&tighter, "a.test").is_err() || verdict::name(&base, "a.test").is_ok());
        prop_assert!(verdict::name(&base, "a.test").is_err() || verdict::name(&wider, "a.test").is_ok());
    }

    #[test]
    fn what_is_not_public_is_open_only_by_a_rule_about_addresses_or_a_fixed_name(
        allow in rules(), deny in rules(), (protocol, port, group, names) in any_facts(),
    ) {
        let names: Vec<Known<'_>> = names.iter().map(|(name, bond)| known(name, *bond)).collect();
        let facts = facts(protocol, port, group, &names);
        let policy = Policy { allow: Some(allow), deny };
        if let Verdict::Allowed { by_name: true, name } = verdict::destination(&policy, &facts)
            && group != Group::Public
        {
            let by_address = Policy { allow: policy.allow.clone(), deny: Vec::new() };
            let without_names = Facts { names: &[], ..facts.clone() };
            let is_fixed = names.iter().any(|known| Some(known.name) == name && known.bond == Bond::Fixed);
            prop_assert!(is_fixed || is_allowed(&by_address, &without_names));
        }
    }

    #[test]
    fn what_may_be_reached_may_be_in_an_answer(
        allow in rules(), deny in rules(), (protocol, port, group, names) in any_facts(),
    ) {
        let names: Vec<Known<'_>> = names.iter().map(|(name, bond)| known(name, *bond)).collect();
        let facts = facts(protocol, port, group, &names);
        for allow in [None, Some(allow)] {
            let policy = Policy { allow, deny: deny.clone() };
            prop_assert!(!is_allowed(&policy, &facts) || verdict::answer(&policy, &facts).is_ok());
        }
    }
}
