//! The policy of one box while it runs: the rules, which may be replaced, and what the decision needs besides. Asked by the gateway through
//! [`Decide`] and by the name server (`src/net/dns`).

use std::{
    collections::HashMap,
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr},
    sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock},
    time::{Duration, Instant},
};

use boxlite_spec::network::{
    LinkSpec, NetworkSpec,
    rule::{Policy, Protocol, Rule},
};

use super::{
    group,
    host::HostAddresses,
    pins::Pins,
    verdict::{self, Bond, Facts, Known, Verdict, Why},
};
use crate::decision::{Allowed, Decide, Decision, Destination, Refused};

/// What a box may reach.
#[derive(Debug)]
pub struct Egress {
    link: LinkSpec,
    policy: RwLock<Arc<Policy>>,
    /// The names that the user gave an address.
    fixed: HashMap<IpAddr, Vec<Arc<str>>>,
    pins: Mutex<Pins>,
    host: HostAddresses,
}

/// The host's loopback, which is reached by the host's address on the link.
const LOOPBACK: [IpAddr; 2] = [IpAddr::V4(Ipv4Addr::LOCALHOST), IpAddr::V6(Ipv6Addr::LOCALHOST)];

/// The names of an address, and how they came to it.
type Names = Vec<(Arc<str>, Bond)>;

impl Egress {
    /// The policy of a box.
    pub fn new(spec: &NetworkSpec) -> Arc<Self> {
        let mut fixed: HashMap<IpAddr, Vec<Arc<str>>> = HashMap::new();
        for (name, address) in &spec.dns.hosts {
            let name = name.trim_end_matches('.').to_ascii_lowercase();
            fixed.entry(address.to_canonical()).or_default().push(name.into());
        }
        Arc::new(Self {
            link: spec.link.clone(),
            policy: RwLock::new(Arc::new(spec.policy.clone())),
            fixed,
            pins: Mutex::default(),
            host: HostAddresses::default(),
        })
    }

    /// Whether a name (lower case, without a final dot) may be asked for.
    ///
    /// # Errors
    /// Why not.
    pub fn may_ask(&self, name: &str) -> Result<(), Refused> {
        let policy = self.policy();
        verdict::name(&policy, name).map_err(|rule| refused(why(rule), Some(name)))
    }

    /// Why a name is refused by a rule that names it; `None` if no rule does.
    pub fn denies(&self, name: &str) -> Option<Refused> {
        let policy = self.policy();
        let rule = verdict::name(&policy, name).err().flatten();
        rule.map(|rule| refused(Why::Rule(rule), Some(name)))
    }

    /// Whether an address may be in the answer to a query for a name. If so, the name holds for the address from now on.
    ///
    /// # Errors
    /// Why not.
    pub fn admit(&self, name: &str, address: IpAddr, ttl: Duration) -> Result<(), Refused> {
        let address = address.to_canonical();
        self.may_answer(&[Known { name, bond: Bond::Resolved }], address)?;
        self.pins().add(name, address, ttl, Instant::now());
        Ok(())
    }

    /// Whether anything at an address may be reached, by whatever name this box knows it.
    ///
    /// # Errors
    /// Why not.
    pub fn may_reach(&self, address: IpAddr) -> Result<(), Refused> {
        let address = address.to_canonical();
        let names = self.names(address, Instant::now());
        self.may_answer(&known(&names), address)
    }

    fn may_answer(&self, names: &[Known<'_>], address: IpAddr) -> Result<(), Refused> {
        let policy = self.policy();
        let name = names.first().map(|known| known.name);
        // The decision is about every port.
        let to = Destination { protocol: Protocol::Tcp, address, port: 0 };
        let facts = self.facts(to, names).ok_or_else(|| refused(Why::Default, name))?;
        verdict::answer(&policy, &facts).map_err(|rule| refused(why(rule), name))
    }

    fn policy(&self) -> Arc<Policy> {
        Arc::clone(&self.policy.read().unwrap_or_else(PoisonError::into_inner))
    }

    fn pins(&self) -> MutexGuard<'_, Pins> {
        self.pins.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn names(&self, address: IpAddr, now: Instant) -> Names {
        let resolved = self.pins().names(address, now).into_iter().map(|name| (name, Bond::Resolved));
        let fixed = self.fixed.get(&address).into_iter().flatten();
        fixed.map(|name| (Arc::clone(name), Bond::Fixed)).chain(resolved).collect()
    }

    fn decide_with(&self, to: Destination, names: &[Known<'_>], now: Instant) -> Decision {
        let policy = self.policy();
        let first = names.first().map(|known| known.name);
        let verdict = self.facts(to, names).map(|facts| verdict::destination(&policy, &facts));
        match verdict.unwrap_or(Verdict::Refused(Why::Default)) {
            Verdict::Refused(why) => Decision::Refused(refused(why, first)),
            Verdict::Allowed { name, by_name } => {
                if let Some(name) = name {
                    self.pins().used(name, to.address, now);
                }
                let dial = SocketAddr::new(self.dialled(to.address), to.port);
                Decision::Allowed(Allowed { dial, name: name.map(str::to_owned), by_name })
            }
        }
    }

    /// What is known about a destination. `None` if it is none: the link's own addresses.
    fn facts<'a>(&self, to: Destination, names: &'a [Known<'a>]) -> Option<Facts<'a>> {
        let (own, alias) = self.addresses_on_link();
        let is_alias = |address| alias.contains(&Some(address));
        let is_host = |address| is_alias(address) || self.host.contains(address);
        (!own.contains(&Some(to.address))).then(|| Facts {
            to,
            group: group::group_of(to.address, &is_host),
            same: if is_alias(to.address) { &LOOPBACK } else { &[] },
            carried: group::carried(to.address).map(IpAddr::from).collect(),
            names,
        })
    }

    /// The addresses of box and gateway, and those by which the box reaches the host.
    fn addresses_on_link(&self) -> ([Option<IpAddr>; 4], [Option<IpAddr>; 2]) {
        let (v4, v6) = (self.link.v4, self.link.v6);
        let own = [
            Some(v4.guest.into()),
            Some(v4.gateway.into()),
            v6.map(|v6| v6.guest.into()),
            v6.map(|v6| v6.gateway.into()),
        ];
        (own, [Some(v4.host.into()), v6.map(|v6| v6.host.into())])
    }

    /// Where the host's socket connects to.
    fn dialled(&self, address: IpAddr) -> IpAddr {
        let (_, alias) = self.addresses_on_link();
        match address {
            _ if !alias.contains(&Some(address)) => address,
            IpAddr::V4(_) => Ipv4Addr::LOCALHOST.into(),
            IpAddr::V6(_) => Ipv6Addr::LOCALHOST.into(),
        }
    }
}

impl Decide for Egress {
    fn decide(&self, to: Destination) -> Decision {
        let (to, now) = (canonical(to), Instant::now());
        let names = self.names(to.address, now);
        self.decide_with(to, &known(&names), now)
    }

    fn decide_named(&self, to: Destination, name: &str) -> Decision {
        let (to, now) = (canonical(to), Instant::now());
        let names = self.names(to.address, now);
        let bond = names.iter().find(|(known, _)| **known == *name).map_or(Bond::Claimed, |(_, bond)| *bond);
        self.decide_with(to, &[Known { name, bond }], now)
    }

    fn decide_unresolved(&self, name: &str, port: u16) -> (Destination, Decision) {
        let to = Destination { protocol: Protocol::Tcp, address: stand_in(name), port };
        let named = self.may_ask(name).and_then(|()| self.admit(name, to.address, Duration::ZERO));
        (to, named.map_or_else(Decision::Refused, |()| self.decide_named(to, name)))
    }

    fn set_policy(&self, policy: &Policy) {
        *self.policy.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(policy.clone());
    }
}

/// An address that stands for a name: of the documentation's own network (RFC 9637), which nothing has, by a hash (FNV-1a).
fn stand_in(name: &str) -> IpAddr {
    let hash = name.bytes().fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
    });
    Ipv6Addr::from(0x3fff_u128 << 112 | u128::from(hash)).into()
}

fn canonical(to: Destination) -> Destination {
    Destination { address: to.address.to_canonical(), ..to }
}

fn known(names: &Names) -> Vec<Known<'_>> {
    names.iter().map(|(name, bond)| Known { name, bond: *bond }).collect()
}

fn why(rule: Option<&Rule>) -> Why<'_> {
    rule.map_or(Why::Default, Why::Rule)
}

fn refused(why: Why<'_>, name: Option<&str>) -> Refused {
    Refused { rule: why.to_string(), name: name.map(str::to_owned) }
}

#[cfg(test)]
mod tests {
    use boxlite_spec::network::DnsSpec;

    use super::*;
    use crate::sample::{link, network, policy};

    // Addresses in these tests are public ones that no machine of a test has itself, since the host's own are refused.
    const MINUTE: Duration = Duration::from_mins(1);

    fn egress(allow: Option<&[&str]>, deny: &[&str]) -> Arc<Egress> {
        Egress::new(&NetworkSpec {
            link: link([192, 168, 127], Some(0xfd77)),
            policy: policy(allow, deny),
            dns: DnsSpec { hosts: vec![("DB.test.".into(), [10, 9, 9, 9].into())], ..DnsSpec::default() },
            ..network()
        })
    }

    fn to(text: &str) -> Destination {
        let socket: SocketAddr = text.parse().unwrap();
        Destination { protocol: Protocol::Tcp, address: socket.ip(), port: socket.port() }
    }

    fn allowed(decision: Decision) -> Allowed {
        match decision {
            Decision::Allowed(allowed) => allowed,
            Decision::Refused(refused) => panic!("{refused:?}"),
        }
    }

    fn is_refused(decision: &Decision) -> bool {
        matches!(decision, Decision::Refused(_))
    }

    #[test]
    fn network_pitfalls_corporate_ca_proxy_a_name_without_an_address_is_decided_by_its_name() {
        let decide = |egress: &Egress, name| egress.decide_unresolved(name, 443);
        let all = egress(None, &["*.bad.test"]);
        let (to, decision) = decide(&all, "a.test");
        assert!(matches!(decision, Decision::Allowed(Allowed { name: Some(name), .. }) if name == "a.test"));
        assert!(matches!(all.decide_named(to, "a.test"), Decision::Allowed(_)));
        assert!(matches!(all.decide_named(to, "x.bad.test"), Decision::Refused(_)));
        assert_ne!(decide(&all, "b.test").0, to);
        for name in ["x.bad.test", "metadata.google.internal"] {
            assert!(matches!(decide(&all, name).1, Decision::Refused(_)), "{name}");
        }
        let one = egress(Some(&["a.test:443"]), &[]);
        assert!(matches!(decide(&one, "a.test").1, Decision::Allowed(Allowed { by_name: true, .. })));
        assert!(matches!(one.decide_unresolved("a.test", 80).1, Decision::Refused(_)));
        assert!(matches!(decide(&one, "b.test").1, Decision::Refused(_)));
    }

    #[test]
    fn network_pitfalls_name_of_the_host_one_alias_one_identity_closed_by_default() {
        let closed = egress(None, &[]);
        for text in
            ["192.168.127.254:80", "127.0.0.1:80", "[::1]:80", "[fd77::fe]:80", "[::ffff:192.168.127.254]:80"]
        {
            assert!(is_refused(&closed.decide(to(text))), "{text}");
        }
        for rule in ["host:80", "host.boxlite.internal:80", "127.0.0.1:80", "[::1]:80"] {
            let open = egress(Some(&[rule]), &[]);
            assert_eq!(
                allowed(open.decide(to("192.168.127.254:80"))).dial,
                to_socket("127.0.0.1:80"),
                "{rule}"
            );
            assert_eq!(allowed(open.decide(to("[fd77::fe]:80"))).dial, to_socket("[::1]:80"), "{rule}");
            assert!(!allowed(open.decide(to("192.168.127.254:80"))).by_name, "{rule}");
            assert!(is_refused(&open.decide(to("192.168.127.254:81"))), "{rule}");
        }
        let denied = egress(Some(&["host"]), &["127.0.0.1:22"]);
        assert!(is_refused(&denied.decide(to("192.168.127.254:22"))));
    }

    fn to_socket(text: &str) -> SocketAddr {
        text.parse().unwrap()
    }

    #[test]
    fn network_pitfalls_allow_list_by_name_a_name_opens_only_the_addresses_that_it_was_resolved_to() {
        let egress = egress(Some(&["a.test:443"]), &[]);
        assert!(is_refused(&egress.decide(to("93.184.216.1:443"))));
        egress.admit("a.test", [93, 184, 216, 1].into(), MINUTE).unwrap();
        let decision = allowed(egress.decide(to("93.184.216.1:443")));
        assert_eq!((decision.by_name, decision.name.as_deref()), (true, Some("a.test")));
        assert!(is_refused(&egress.decide(to("93.184.216.2:443"))));
        assert!(is_refused(&egress.decide(to("93.184.216.1:80"))));
        // What SNI or Host say counts where they say it.
        allowed(egress.decide_named(to("93.184.216.1:443"), "a.test"));
        assert!(is_refused(&egress.decide_named(to("93.184.216.1:443"), "b.test")));
        assert!(is_refused(&egress.decide_named(to("93.184.216.2:443"), "a.test")));
    }

    #[test]
    fn network_pitfalls_rebinding_the_address_is_checked_at_the_answer_and_at_the_dial() {
        let by_name = egress(Some(&["a.test"]), &[]);
        for address in [
            "10.0.0.1",
            "127.0.0.1",
            "192.168.127.254",
            "169.254.169.254",
            "::ffff:10.0.0.1",
            "192.168.127.1",
        ] {
            let address: IpAddr = address.parse().unwrap();
            assert!(by_name.admit("a.test", address, MINUTE).is_err(), "{address}");
            assert!(is_refused(&by_name.decide(Destination { protocol: Protocol::Tcp, address, port: 80 })));
        }
        // The policy has changed since the answer.
        let changing = egress(Some(&["a.test", "private"]), &[]);
        changing.admit("a.test", [10, 0, 0, 1].into(), MINUTE).unwrap();
        allowed(changing.decide(to("10.0.0.1:80")));
        changing.set_policy(&Policy { allow: Some(vec!["a.test".parse().unwrap()]), deny: Vec::new() });
        assert!(is_refused(&changing.decide(to("10.0.0.1:80"))));
    }

    #[test]
    fn a_name_that_the_user_gave_an_address_holds_for_it() {
        let egress = egress(Some(&["db.test:5432"]), &[]);
        let decision = allowed(egress.decide(to("10.9.9.9:5432")));
        assert_eq!(decision.name.as_deref(), Some("db.test"));
        assert!(is_refused(&egress.decide(to("10.9.9.9:5433"))));
        assert!(is_refused(&egress.decide(to("10.9.9.8:5432"))));
        egress.may_reach([10, 9, 9, 9].into()).unwrap();
    }

    #[test]
    fn network_pitfalls_allow_list_by_name_refused_names_are_refused_by_sni_too() {
        let egress = egress(None, &["*.ads.test"]);
        // Nothing was resolved: the connection's own name decides.
        assert!(allowed(egress.decide(to("93.184.216.1:443"))).by_name);
        let refused = egress.decide_named(to("93.184.216.1:443"), "x.ads.test");
        let why = Refused { rule: "*.ads.test".into(), name: Some("x.ads.test".into()) };
        assert_eq!(refused, Decision::Refused(why));
        allowed(egress.decide_named(to("93.184.216.1:443"), "good.test"));
        assert!(egress.may_ask("x.ads.test").is_err());
        egress.may_ask("ads.test").unwrap();
    }

    #[test]
    fn the_gateways_own_addresses_are_no_destination() {
        let egress = egress(Some(&["0.0.0.0/0", "::/0", "private", "host", "public"]), &[]);
        for text in ["192.168.127.1:80", "192.168.127.2:80", "[fd77::1]:80", "[::ffff:192.168.127.1]:80"] {
            assert!(is_refused(&egress.decide(to(text))), "{text}");
        }
    }

    #[test]
    fn an_address_is_dialled_as_it_is_asked_for() {
        let egress = egress(None, &[]);
        assert_eq!(allowed(egress.decide(to("[::ffff:93.184.216.1]:80"))).dial, to_socket("93.184.216.1:80"));
        assert_eq!(allowed(egress.decide(to("[2606:4700::1]:80"))).dial, to_socket("[2606:4700::1]:80"));
    }
}
