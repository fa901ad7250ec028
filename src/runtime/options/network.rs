//! `NetworkOptions`: what a box may reach and by which way. Part of `BoxOptions`, stored in `config.json`; `network/plan.rs` makes the
//! shim's `NetworkSpec` of it. What users write is kept as text, so that each mistake is refused by the option's name and its value.

use std::{
    net::{IpAddr, Ipv4Addr},
    path::PathBuf,
};

use boxlite_error::{BoxliteError, BoxliteResult, shorten::shortened};
use boxlite_spec::network::{
    BackendKind, DnsSpec, NetworkLimits,
    rule::{Policy, Rule, Target},
};
use ipnet::Ipv4Net;
use serde::{Deserialize, Serialize};

use crate::options::bound::{require, within};

/// Most rules of each list.
const MOST_RULES: usize = 1000;
/// Most name servers, which is what `/etc/resolv.conf` of the host may have several times over.
const MOST_SERVERS: usize = 16;
/// Most search domains, and most bytes of all of them with a space between two: what every C library reads (resolv.conf(5)).
pub(crate) const MOST_SEARCH_DOMAINS: usize = 6;
pub(crate) const SEARCH_BYTES: usize = 256;
/// Most names with fixed addresses.
const MOST_HOSTS: usize = 1000;
/// The longest packet of libslirp (`IF_MTU_MAX`).
const LIBSLIRP_MTU: u16 = 65_520;
/// The smallest MTU of IPv6 (RFC 8200, 5), and the longest IP packet.
const MTU: std::ops::RangeInclusive<u16> = 1280..=65_535;
/// Most connections at one time: each takes a descriptor of the shim.
const MOST_CONNECTIONS: u32 = 65_536;
/// Least bytes per second of a bounded bandwidth: some packets, since less would look like a network that hangs.
const LEAST_BANDWIDTH: u64 = 8192;
/// Longest URL of a proxy, in bytes.
const PROXY: usize = 1024;
/// Bytes of a value that an error shows.
const SHOWN: usize = 80;

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

/// What the name server of a box knows, and whom it asks.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct DnsOptions {
    /// The addresses of the servers to ask. Default: the host's own, as they are at the time of each query.
    pub servers: Vec<String>,
    /// The search domains. Default: the host's own.
    pub search: Option<Vec<String>>,
    /// Names with fixed addresses. A query for one leaves nobody but the box.
    pub hosts: Vec<(String, String)>,
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

/// Whose certificates a box trusts beside those of its image.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Authorities {
    /// Those of the host's store.
    Host,
    /// Those of a PEM file on the host, by its absolute path.
    File(PathBuf),
}

/// The proxy through which a box's connections leave.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Proxy {
    /// The one that `HTTPS_PROXY`, `HTTP_PROXY` or `ALL_PROXY` of the process name that starts the box; without them none.
    Host,
    /// `http://HOST:PORT`, with a user and a password before the host where it wants them.
    Url(String),
}

/// Without the URL, which may hold a password.
impl std::fmt::Debug for Proxy {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Host => "Host",
            Self::Url(_) => "Url",
        })
    }
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
        if let Some(Authorities::File(path)) = &self.ca {
            let good = path.is_absolute() && path.to_str().is_some_and(|path| !path.contains('\0'));
            require(good, "network.ca", || {
                format!("must be an absolute path in UTF-8: `{}`", path.display())
            })?;
        }
        if let Some(Proxy::Url(url)) = &self.proxy {
            // The URL is not shown, since it may hold a password.
            require(is_proxy(url), "network.proxy", || "expected http://HOST:PORT")?;
        }
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
        let Some(text) = &self.subnet else { return Ok(None) };
        let net = text.parse::<Ipv4Net>().ok().map(|net| net.trunc()).filter(|net| is_subnet(*net));
        require(net.is_some(), "network.subnet", || {
            let text = shortened(text, SHOWN);
            format!(
                "expected an IPv4 network of /8 to /29 such as 10.88.77.0/24, which is none of 0.0.0.0/8, 100.64.0.0/10, \
                 127.0.0.0/8, 169.254.0.0/16 and 224.0.0.0/3: `{text}`"
            )
        })?;
        Ok(net)
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

impl DnsOptions {
    /// What the backend's name server is told.
    ///
    /// # Errors
    /// `INVALID_ARGUMENT` with the option's name and its value.
    pub(crate) fn spec(&self) -> BoxliteResult<DnsSpec> {
        let (servers, hosts) = (self.servers.len(), self.hosts.len());
        bounded("network.dns.servers", servers, MOST_SERVERS)?;
        bounded("network.dns.hosts", hosts, MOST_HOSTS)?;
        let servers = self.servers.iter().map(|text| address("network.dns.servers", text));
        let hosts = self.hosts.iter().map(|(name, text)| {
            let host = host_name("network.dns.hosts", name)?;
            Ok((host, address("network.dns.hosts", text)?))
        });
        Ok(DnsSpec {
            servers: servers.collect::<BoxliteResult<_>>()?,
            search: self.search.as_deref().map(search_domains).transpose()?,
            hosts: hosts.collect::<BoxliteResult<_>>()?,
        })
    }
}

fn search_domains(domains: &[String]) -> BoxliteResult<Vec<String>> {
    const OPTION: &str = "network.dns.search";
    bounded(OPTION, domains.len(), MOST_SEARCH_DOMAINS)?;
    let names = domains.iter().map(|domain| host_name(OPTION, domain)).collect::<BoxliteResult<Vec<_>>>()?;
    let bytes = names.join(" ").len();
    require(bytes <= SEARCH_BYTES, OPTION, || format!("must be at most {SEARCH_BYTES} bytes: {bytes}"))?;
    Ok(names)
}

pub(crate) fn bounded(option: &'static str, count: usize, most: usize) -> BoxliteResult<()> {
    require(count <= most, option, || format!("{count} entries; {most} at most"))
}

fn rules(option: &'static str, list: &[String]) -> BoxliteResult<Vec<Rule>> {
    bounded(option, list.len(), MOST_RULES)?;
    let parsed = list.iter().enumerate().map(|(at, text)| {
        text.parse::<Rule>().map_err(|why| {
            let why = format!("entry {at}, `{}`: {}", shortened(text, SHOWN), shortened(&why, 2 * SHOWN));
            BoxliteError::invalid_option(option, why).hint(
                "rules are as `api.example.com:443`, `*.example.com`, `10.0.0.0/8:5432/tcp` and `public`",
            )
        })
    });
    parsed.collect()
}

/// A name without a wildcard, in lower case.
fn host_name(option: &'static str, text: &str) -> BoxliteResult<String> {
    let rule = text.parse::<Rule>().ok().filter(|rule| rule.ports.is_none() && rule.protocol.is_none());
    let name = rule.and_then(|rule| match rule.target {
        Target::Name(name) => Some(name),
        Target::Group(group) => Some(group.as_str().to_owned()),
        _ => None,
    });
    name.ok_or_else(|| {
        let why = format!("expected a name such as `db.internal`: `{}`", shortened(text, SHOWN));
        BoxliteError::invalid_option(option, why)
    })
}

fn address(option: &'static str, text: &str) -> BoxliteResult<IpAddr> {
    text.parse().map_err(|_| {
        let why = format!("expected an IP address: `{}`", shortened(text, SHOWN));
        BoxliteError::invalid_option(option, why)
    })
}

/// Whether a box's link may have these addresses: three at least, none of which has another meaning.
fn is_subnet(net: Ipv4Net) -> bool {
    let other = [
        Ipv4Net::new_assert(Ipv4Addr::UNSPECIFIED, 8),
        Ipv4Net::new_assert(Ipv4Addr::new(100, 64, 0, 0), 10),
        Ipv4Net::new_assert(Ipv4Addr::new(127, 0, 0, 0), 8),
        Ipv4Net::new_assert(Ipv4Addr::new(169, 254, 0, 0), 16),
        Ipv4Net::new_assert(Ipv4Addr::new(224, 0, 0, 0), 3),
    ];
    (8..=29).contains(&net.prefix_len())
        && !other.iter().any(|other| other.contains(&net) || net.contains(other))
}

/// Whether the gateway can use it: HTTP to the proxy itself, a host and a port.
pub(crate) fn is_proxy(url: &str) -> bool {
    let Some(rest) = url.strip_prefix("http://") else { return false };
    let rest = rest.strip_suffix('/').unwrap_or(rest);
    let authority = rest.rsplit_once('@').map_or(rest, |(_, host)| host);
    let Some((host, port)) = authority.rsplit_once(':') else { return false };
    let host = host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).unwrap_or(host);
    let is_host = host.parse::<IpAddr>().is_ok() || host_name("network.proxy", host).is_ok();
    url.len() <= PROXY
        && is_host
        && port.parse::<u16>().is_ok_and(|port| port > 0)
        && url.bytes().all(|byte| byte.is_ascii_graphic())
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
        let error = refused(|options| options.deny = vec!["a".into(); MOST_RULES + 1]);
        assert_eq!(error, "option `network.deny`: 1001 entries; 1000 at most");
        let error = refused(|options| options.deny = vec!["/".repeat(1 << 20)]);
        assert!(error.len() < 500, "{}", error.len());
        let error = refused(|options| options.dns.servers = vec!["::1".into(); MOST_SERVERS + 1]);
        assert!(error.contains("`network.dns.servers`"), "{error}");
        let error = refused(|options| options.dns.hosts = vec![("a".into(), "::1".into()); MOST_HOSTS + 1]);
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
    fn network_pitfalls_address_pools_a_subnet_is_none_that_others_use() {
        for text in
            ["100.64.1.0/24", "100.0.0.0/8", "127.0.0.0/24", "169.254.3.0/24", "224.0.0.0/24", "10.0.0.0/30"]
        {
            assert!(refused(|options| options.subnet = Some(text.into())).contains(text), "{text}");
        }
        let options = NetworkOptions { subnet: Some("10.88.77.9/24".into()), ..Default::default() };
        assert_eq!(options.subnet().unwrap().unwrap().to_string(), "10.88.77.0/24");
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
    fn a_proxys_password_is_not_told() {
        for url in ["http://u:hunter2@proxy", "https://u:hunter2@proxy:1", "http://u:hunter2@:1"] {
            let error = refused(|options| options.proxy = Some(Proxy::Url(url.into())));
            assert!(!error.contains("hunter2"), "{error}");
        }
        for url in ["http://proxy:3128", "http://u:p@10.0.0.1:80/", "http://[::1]:3128"] {
            assert!(is_proxy(url), "{url}");
        }
        assert!(!format!("{:?}", Proxy::Url("http://u:hunter2@proxy:1".into())).contains("hunter2"));
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
