//! One rule of an egress policy, and the policy itself. Rules are written as text, by users and in every file; parsed here, matched in
//! `src/net/policy`.

use std::{fmt, net::IpAddr, ops::RangeInclusive, str::FromStr};

use ipnet::IpNet;
use serde::{Deserialize, Serialize};

/// What a box may reach. The first rule that matches decides: those of `deny` are looked at first, in order, then those of `allow`.
/// What no rule matches is refused if there is an `allow` list, and otherwise allowed if it is in [`Group::Public`].
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Policy {
    /// The rules that allow; `None` means `public`. An empty list allows nothing.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub allow: Option<Vec<Rule>>,
    /// The rules that refuse.
    pub deny: Vec<Rule>,
}

/// A set of destinations: `TARGET[:PORT[-PORT]][/PROTOCOL]`, for example `api.example.com:443`, `*.example.com`, `10.0.0.0/8:5432/tcp`,
/// `[2001:db8::/32]:443`, `public`, `host:8080`.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Rule {
    /// Which hosts.
    pub target: Target,
    /// Which ports; `None` means all. ICMP has none, so a rule with ports does not match it.
    pub ports: Option<RangeInclusive<u16>>,
    /// Which protocol; `None` means all.
    pub protocol: Option<Protocol>,
}

/// Which hosts a rule is about.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Target {
    /// One name, in lower case and ASCII (IDNA), without a final dot.
    Name(String),
    /// Every name below this one, not the name itself: `*.example.com` is `Below("example.com")`.
    Below(String),
    /// The addresses of a network.
    Net(IpNet),
    /// A group of addresses.
    Group(Group),
}

/// Groups of addresses, which do not overlap.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Group {
    /// What the internet routes: all that is in none of the other groups. The documentation ranges belong to it.
    Public,
    /// Private, shared (CGNAT), unique local and link-local addresses, multicast and broadcast.
    Private,
    /// The host itself: its alias on the link, its loopback and each address of its own interfaces.
    Host,
    /// The metadata services of clouds.
    Metadata,
}

/// What a packet carries.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Protocol {
    /// TCP.
    Tcp,
    /// UDP.
    Udp,
    /// ICMP echo, of either IP version.
    Icmp,
}

impl Protocol {
    /// Returns the lower-case name: `tcp`, `udp` or `icmp`.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Tcp => "tcp",
            Self::Udp => "udp",
            Self::Icmp => "icmp",
        }
    }
}

impl Group {
    /// Every group with its name.
    pub const ALL: [(Self, &'static str); 4] = [
        (Self::Public, "public"),
        (Self::Private, "private"),
        (Self::Host, "host"),
        (Self::Metadata, "metadata"),
    ];

    /// Returns the lower-case name.
    pub fn as_str(self) -> &'static str {
        Self::ALL.into_iter().find(|(group, _)| *group == self).map_or("", |(_, name)| name)
    }
}

impl fmt::Display for Rule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let bracketed = self.ports.is_some();
        match &self.target {
            Target::Name(name) => f.write_str(name)?,
            Target::Below(name) => write!(f, "*.{name}")?,
            Target::Net(net) => {
                let text = if net.prefix_len() == net.max_prefix_len() {
                    net.addr().to_string()
                } else {
                    net.to_string()
                };
                match net.addr() {
                    IpAddr::V6(_) if bracketed => write!(f, "[{text}]")?,
                    _ => f.write_str(&text)?,
                }
            }
            Target::Group(group) => f.write_str(group.as_str())?,
        }
        match &self.ports {
            Some(ports) if ports.start() == ports.end() => write!(f, ":{}", ports.start())?,
            Some(ports) => write!(f, ":{}-{}", ports.start(), ports.end())?,
            None => {}
        }
        self.protocol.map_or(Ok(()), |protocol| write!(f, "/{}", protocol.as_str()))
    }
}

impl From<Rule> for String {
    fn from(rule: Rule) -> Self {
        rule.to_string()
    }
}

impl TryFrom<String> for Rule {
    type Error = String;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        text.parse()
    }
}

impl FromStr for Rule {
    type Err = String;

    /// Parses a rule.
    ///
    /// # Errors
    /// A message that says which part of the text is wrong and what it may be.
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let (rest, protocol) = split_protocol(text);
        let (target, ports) = split_ports(rest)?;
        Ok(Self { target: parse_target(target)?, ports, protocol })
    }
}

/// Splits `/tcp` and its kin off the end. A number after the slash is the length of a network's prefix.
fn split_protocol(text: &str) -> (&str, Option<Protocol>) {
    let found = [Protocol::Tcp, Protocol::Udp, Protocol::Icmp]
        .into_iter()
        .find_map(|protocol| Some((text.strip_suffix(protocol.as_str())?.strip_suffix('/')?, protocol)));
    found.map_or((text, None), |(rest, protocol)| (rest, Some(protocol)))
}

type Ports = Option<RangeInclusive<u16>>;

fn split_ports(text: &str) -> Result<(&str, Ports), String> {
    let (target, ports) = if let Some(rest) = text.strip_prefix('[') {
        let (target, after) = rest.split_once(']').ok_or("`[` without `]`")?;
        match after.strip_prefix(':') {
            Some(ports) => (target, ports),
            None if after.is_empty() => return Ok((target, None)),
            None => return Err(format!("`{after}` after `]`: expected `:PORT`")),
        }
    } else {
        match text.split_once(':') {
            // Several colons without brackets are an IPv6 address or network.
            Some((target, ports)) if !ports.contains(':') => (target, ports),
            _ => return Ok((text, None)),
        }
    };
    let (first, last) = ports.split_once('-').unwrap_or((ports, ports));
    let number = |text: &str| {
        let parsed = text.parse::<u16>().ok().filter(|port| *port > 0);
        parsed.ok_or_else(|| format!("port `{text}`: expected 1 to 65535"))
    };
    let ports = number(first)?..=number(last)?;
    if ports.is_empty() {
        return Err(format!("ports `{first}-{last}`: the first is larger than the last"));
    }
    Ok((target, Some(ports)))
}

fn parse_target(text: &str) -> Result<Target, String> {
    if let Some((group, _)) = Group::ALL.into_iter().find(|(_, name)| *name == text) {
        return Ok(Target::Group(group));
    }
    if let Ok(address) = text.parse::<IpAddr>() {
        return Ok(Target::Net(IpNet::from(address)));
    }
    if text.contains('/') {
        let net: IpNet = text.parse().map_err(|_| format!("`{text}`: not a network such as 10.0.0.0/8"))?;
        let net = net.trunc();
        return Ok(Target::Net(net));
    }
    match text.strip_prefix("*.") {
        Some(name) => parse_name(name).map(Target::Below),
        None => parse_name(text).map(Target::Name),
    }
}

/// Most bytes of a name, and of one of its labels (RFC 1035, 2.3.4).
const NAME: usize = 253;
const LABEL: usize = 63;

/// Returns the name in lower case and without a final dot.
fn parse_name(text: &str) -> Result<String, String> {
    let name = text.strip_suffix('.').unwrap_or(text).to_ascii_lowercase();
    let is_label = |label: &str| {
        (1..=LABEL).contains(&label.len())
            && label.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_".contains(&byte))
    };
    // A name that ends in a number is an address that is not well written, such as 10.0.0.
    let is_number =
        name.rsplit('.').next().is_some_and(|label| label.bytes().all(|byte| byte.is_ascii_digit()));
    if name.len() > NAME || is_number || !name.split('.').all(is_label) {
        return Err(format!(
            "`{text}`: expected a name, *.name, an address, a network such as 10.0.0.0/8, or public, private, host or metadata"
        ));
    }
    Ok(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rules_are_read_and_written_alike() {
        for text in [
            "example.com",
            "*.example.com",
            "example.com:443",
            "example.com:8000-8100/tcp",
            "10.0.0.0/8",
            "10.0.0.0/8:5432/tcp",
            "10.1.2.3",
            "2001:db8::/32",
            "[2001:db8::/32]:443",
            "[2001:db8::1]:53/udp",
            "public",
            "host:8080",
            "metadata/tcp",
            "private:22",
            "public/icmp",
        ] {
            assert_eq!(text.parse::<Rule>().unwrap().to_string(), text);
        }
        assert_eq!("EXAMPLE.com.".parse::<Rule>().unwrap().to_string(), "example.com");
        assert_eq!("10.1.2.3/8".parse::<Rule>().unwrap().to_string(), "10.0.0.0/8");
    }

    #[test]
    fn what_is_not_a_rule_is_refused() {
        for text in [
            "",
            ".",
            "*",
            "a*",
            "*.*",
            "a..b",
            "10.0.0",
            "10.0.0.0/33",
            "a:0",
            "a:65536",
            "a:2-1",
            "a:",
            "a/b",
            "[::1",
            "[::1]x",
            "http://a",
            "a b",
            "-/tcp/tcp",
            "a:1:2",
            "999.1.1.1",
        ] {
            assert!(text.parse::<Rule>().is_err(), "{text}");
        }
    }
}
