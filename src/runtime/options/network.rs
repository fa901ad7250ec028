//! `NetworkOptions`: what a box may reach and by which way. Part of `BoxOptions`, stored in `config.json`; `network/plan.rs` makes the
//! shim's `NetworkSpec` of it. What users write is kept as text, so that each mistake is refused by the option's name and its value.
//! Each part is a file of its folder: `rules`, `dns` (with `host_name`), `authorities`, `proxy` and `subnet`.

pub(crate) mod authorities;
pub(crate) mod dns;
mod host_name;
pub(crate) mod proxy;
mod rules;
mod subnet;

use boxlite_error::{BoxliteResult, shorten::shortened};
use boxlite_spec::network::{
    BackendKind, NetworkLimits,
    rule::{Policy, Rule, Target},
};
use ipnet::Ipv4Net;
use serde::{Deserialize, Serialize};

use self::{authorities::Authorities, dns::DnsOptions, proxy::Proxy, rules::rules};
use crate::options::bound::{SHOWN, require, within};

/// The longest packet of libslirp (`IF_MTU_MAX`).
const LIBSLIRP_MTU: u16 = 65_520;
/// The smallest MTU of IPv6 (RFC 8200, 5), and the longest IP packet.
const MTU: std::ops::RangeInclusive<u16> = 1280..=65_535;
/// Most connections at one time: each takes a descriptor of the shim.
const MOST_CONNECTIONS: u32 = 65_536;
/// Least bytes per second of a bounded bandwidth: some packets, since less would look like a network that hangs.
const LEAST_BANDWIDTH: u64 = 8192;

/// What a box may reach, and how. The default reaches all of the internet and nothing of the host and its networks.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct NetworkOptions {
    /// What it may reach: rules such as `api.example.com:443`, `*.example.com`, `10.0.0.0/8:5432/tcp` or `public`. `None` means
    /// `public`; an empty list allows nothing.
    pub allow: Option<Vec<String>>,
    /// What it may not reach. These rules are looked at before those of `allow`.
    pub deny: Vec<String>,
    /// The largest IP packet in bytes, 1280 to 65 535. Default: 1500.
    pub mtu: Option<u16>,
    /// What its name server knows, and whom it asks.
    pub dns: DnsOptions,
    /// What serves its network device.
    pub backend: BackendKind,
    /// Authorities of certificates that it trusts beside those of its image. Default: none.
    pub ca: Option<Authorities>,
    /// The HTTP proxy through which its connections leave. Default: none.
    pub proxy: Option<Proxy>,
    /// Most connections at one time, 1 to 65 536. Default: 8192.
    pub connections: Option<u32>,
    /// Most new connections per second, 1 or more. Default: 2000.
    pub new_connections_per_second: Option<u32>,
    /// Most bytes per second.
    pub bandwidth: Bandwidth,
    /// Whether it has IPv6 addresses. Default: whether the host has a default route for IPv6.
    pub ipv6: Option<bool>,
    /// The network of its own address, such as `10.88.77.0/24`. Default: one that no route of the host has.
    pub subnet: Option<String>,
}

/// Most bytes per second of a box's network; `None` is no bound.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Bandwidth {
    /// From the box.
    pub up: Option<u64>,
    /// To the box.
    pub down: Option<u64>,
}

impl NetworkOptions {
    /// # Errors
    /// `INVALID_ARGUMENT` with the option's name and its value.
    pub(crate) fn check(&self) -> BoxliteResult<()> {
        self.policy()?;
        self.dns.spec()?;
        within("network.mtu", self.mtu, MTU)?;
        within("network.connections", self.connections, 1..=MOST_CONNECTIONS)?;
        within("network.new_connections_per_second", self.new_connections_per_second, 1..=u32::MAX)?;
        for (option, bound) in
            [("network.bandwidth.up", self.bandwidth.up), ("network.bandwidth.down", self.bandwidth.down)]
        {
            within(option, bound, LEAST_BANDWIDTH..=u64::MAX)?;
        }
        self.ca.as_ref().map_or(Ok(()), Authorities::check)?;
        self.proxy.as_ref().map_or(Ok(()), Proxy::check)?;
        self.subnet()?;
        self.check_backend()
    }

    /// Refuses what only our gateway can do of another backend.
    fn check_backend(&self) -> BoxliteResult<()> {
        let by_name = |rules: &[String]| {
            let is_name = |rule: &&String| {
                rule.parse::<Rule>()
                    .is_ok_and(|rule| matches!(rule.target, Target::Name(_) | Target::Below(_)))
            };
            rules.iter().find(is_name).map(|rule| format!("`{}` is a rule by name", shortened(rule, SHOWN)))
        };
        let given = |given: bool, what: &str| given.then(|| what.to_owned());
        let DnsOptions { servers, search, hosts } = &self.dns;
        let has_dns = !servers.is_empty() || search.is_some() || !hosts.is_empty();
        let fixed = self.backend == BackendKind::Gvproxy;
        let mtu = self.mtu.filter(|mtu| self.backend == BackendKind::Libslirp && *mtu > LIBSLIRP_MTU);
        let limits = self.connections.is_some() || self.new_connections_per_second.is_some();
        for (option, want) in [
            ("network.allow", by_name(self.allow.as_deref().unwrap_or_default())),
            ("network.deny", by_name(&self.deny)),
            ("network.dns", given(has_dns, "it has a name server of its own")),
            ("network.proxy", given(self.proxy.is_some(), "it uses no proxy")),
            ("network.connections", given(limits, "it does not count connections")),
            (
                "network.bandwidth",
                given(self.bandwidth != Bandwidth::default(), "it does not bound bandwidth"),
            ),
            ("network.ipv6", given(self.ipv6 == Some(true), "it has no IPv6")),
            (
                "network.mtu",
                mtu.map(|mtu| format!("its packets have at most {LIBSLIRP_MTU} bytes, not {mtu}")),
            ),
            ("network.subnet", given(fixed && self.subnet.is_some(), "it has addresses of its own")),
        ] {
            let why = || {
                let want = want.as_deref().unwrap_or_default();
                format!("backend `{}` can't do this: {want}", self.backend.as_str())
            };
            require(self.backend == BackendKind::Gateway || want.is_none(), option, why)
                .map_err(|error| error.hint("leave `network.backend` out: the backend `gateway` can"))?;
        }
        Ok(())
    }

    /// The policy.
    ///
    /// # Errors
    /// `INVALID_ARGUMENT` for the first text that is no rule, and for too many.
    pub(crate) fn policy(&self) -> BoxliteResult<Policy> {
        let allow = self.allow.as_deref().map(|list| rules("network.allow", list)).transpose()?;
        Ok(Policy { allow, deny: rules("network.deny", &self.deny)? })
    }

    /// The network of the box's own address, if one is given.
    ///
    /// # Errors
    /// `INVALID_ARGUMENT` if it is none that a box may have.
    pub(crate) fn subnet(&self) -> BoxliteResult<Option<Ipv4Net>> {
        self.subnet.as_deref().map(subnet::parse).transpose()
    }

    /// The bounds.
    pub(crate) fn limits(&self) -> NetworkLimits {
        let default = NetworkLimits::default();
        NetworkLimits {
            connections: self.connections.unwrap_or(default.connections),
            new_per_second: self.new_connections_per_second.unwrap_or(default.new_per_second),
            up: self.bandwidth.up.unwrap_or(default.up),
            down: self.bandwidth.down.unwrap_or(default.down),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(change: impl FnOnce(&mut NetworkOptions)) -> String {
        let mut options = NetworkOptions::default();
        change(&mut options);
        let error = options.check().unwrap_err();
        assert_eq!(error.code(), boxlite_error::ErrorCode::InvalidArgument);
        error.to_string()
    }

    fn list(items: &[&str]) -> Vec<String> {
        items.iter().map(|&item| item.to_owned()).collect()
    }

    #[test]
    fn what_is_no_rule_is_refused_by_list_place_and_text() {
        let error = refused(|options| options.allow = Some(list(&["public", "10.0.0.0/33"])));
        assert!(error.starts_with("option `network.allow`: entry 1, `10.0.0.0/33`: "), "{error}");
        let error = refused(|options| options.deny = list(&["a:0"]));
        assert!(error.starts_with("option `network.deny`: entry 0, `a:0`: port `0`"), "{error}");
    }

    #[test]
    fn hostile_lists_are_bounded() {
        let error = refused(|options| options.deny = vec!["a".into(); 1001]);
        assert_eq!(error, "option `network.deny`: 1001 entries; 1000 at most");
        let error = refused(|options| options.deny = vec!["/".repeat(1 << 20)]);
        assert!(error.len() < 500, "{}", error.len());
        let error = refused(|options| options.dns.servers = vec!["::1".into(); 17]);
        assert!(error.contains("`network.dns.servers`"), "{error}");
        let error = refused(|options| options.dns.hosts = vec![("a".into(), "::1".into()); 1001]);
        assert!(error.contains("`network.dns.hosts`"), "{error}");
    }

    #[test]
    fn network_pitfalls_search_domains_are_bounded() {
        let error = refused(|options| options.dns.search = Some(vec!["a".into(); 7]));
        assert_eq!(error, "option `network.dns.search`: 7 entries; 6 at most");
        let long = ["x".repeat(63), "y".repeat(63)].join(".");
        let error = refused(|options| options.dns.search = Some(vec![long.clone(), long.clone(), long]));
        assert_eq!(error, "option `network.dns.search`: must be at most 256 bytes: 383");
    }

    #[test]
    fn numbers_and_addresses_are_refused_by_name_and_value() {
        type Change = fn(&mut NetworkOptions);
        let rows: [(Change, &str); 12] = [
            (|options| options.mtu = Some(1279), "`network.mtu`: must be 1280 to 65535: 1279"),
            (|options| options.connections = Some(0), "`network.connections`: must be 1 to 65536: 0"),
            (|options| options.new_connections_per_second = Some(0), "`network.new_connections_per_second`"),
            (|options| options.bandwidth.up = Some(1), "`network.bandwidth.up`: must be 8192 to"),
            (|options| options.bandwidth.down = Some(0), "`network.bandwidth.down`"),
            (|options| options.dns.servers = list(&["dns.example"]), "`network.dns.servers`: expected an IP"),
            (|options| options.dns.search = Some(list(&["a b"])), "`network.dns.search`: expected a name"),
            (|options| options.dns.hosts = vec![("*.a".into(), "::1".into())], "`network.dns.hosts`"),
            (|options| options.dns.hosts = vec![("a".into(), "b".into())], "expected an IP address: `b`"),
            (|options| options.subnet = Some("10.0.0.0".into()), "`network.subnet`"),
            (
                |options| options.ca = Some(Authorities::File("ca.pem".into())),
                "`network.ca`: must be an absolute",
            ),
            (
                |options| options.proxy = Some(Proxy::Url("socks5://a:1".into())),
                "`network.proxy`: expected http",
            ),
        ];
        for (change, expected) in rows {
            let error = refused(change);
            assert!(error.contains(expected), "{expected}: {error}");
        }
    }

    #[test]
    fn what_a_backend_can_not_do_is_refused_with_the_one_that_can() {
        type Change = fn(&mut NetworkOptions);
        let rows: [(Change, &str); 8] = [
            (|options| options.subnet = Some("10.1.2.0/24".into()), "`network.subnet`"),
            (|options| options.allow = Some(list(&["10.0.0.0/8", "*.a.example"])), "`network.allow`"),
            (|options| options.deny = list(&["a.example:443"]), "`network.deny`"),
            (|options| options.dns.hosts = vec![("a".into(), "::1".into())], "`network.dns`"),
            (|options| options.proxy = Some(Proxy::Host), "`network.proxy`"),
            (|options| options.connections = Some(5), "`network.connections`"),
            (|options| options.bandwidth.up = Some(10_000), "`network.bandwidth`"),
            (|options| options.ipv6 = Some(true), "`network.ipv6`"),
        ];
        for (change, expected) in rows {
            let mut options = NetworkOptions::default();
            change(&mut options);
            options.check().unwrap();
            options.backend = BackendKind::Gvproxy;
            let error = options.check().unwrap_err();
            assert!(error.to_string().contains(expected), "{error}");
            assert!(error.to_string().contains("backend `gvproxy` can't"), "{error}");
            assert!(error.hint_text().unwrap().to_string().contains("`gateway`"));
        }
        let mut large = NetworkOptions { mtu: Some(65_535), ..Default::default() };
        large.check().unwrap();
        large.backend = BackendKind::Libslirp;
        assert!(large.check().unwrap_err().to_string().contains("`network.mtu`: backend `libslirp` can't"));
        let by_address = NetworkOptions {
            allow: Some(list(&["10.0.0.0/8", "public"])),
            backend: BackendKind::Libslirp,
            ..Default::default()
        };
        by_address.check().unwrap();
    }

    #[test]
    fn it_survives_the_config_file() {
        let options = NetworkOptions {
            allow: Some(list(&["public", "a.example:443"])),
            ca: Some(Authorities::File("/ca.pem".into())),
            proxy: Some(Proxy::Host),
            bandwidth: Bandwidth { up: Some(1 << 20), down: None },
            backend: BackendKind::Gvproxy,
            ..Default::default()
        };
        let text = serde_json::to_string(&options).unwrap();
        assert_eq!(serde_json::from_str::<NetworkOptions>(&text).unwrap(), options);
        assert_eq!(serde_json::from_str::<NetworkOptions>("{}").unwrap(), NetworkOptions::default());
    }
}
