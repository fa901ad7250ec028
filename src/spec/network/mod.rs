//! The network of a box: what the runtime asks for and what the shim reports. Written by the runtime's pipeline, read by the shim and
//! by the network backends (`src/net`). Files: [`rule`] one rule of a policy, [`port`] a published port, [`secret`] a secret,
//! [`control`] the messages while the box runs.

pub mod control;
pub mod port;
pub mod rule;
pub mod secret;

use std::{
    fmt,
    net::{IpAddr, Ipv4Addr, Ipv6Addr},
    path::PathBuf,
};

use serde::{Deserialize, Serialize};

use self::{rule::Policy, secret::SecretSpec};
use crate::path;

/// The network device of a box and what serves it. A box without a network has no [`NetworkSpec`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NetworkSpec {
    /// Which backend serves the device.
    pub backend: BackendKind,
    /// The program of [`BackendKind::Gvproxy`] or the library of [`BackendKind::Libslirp`]; `None` searches for it.
    #[serde(default, skip_serializing_if = "Option::is_none", with = "path::optional")]
    pub program: Option<PathBuf>,
    /// The addresses on the link between box and backend.
    pub link: LinkSpec,
    /// What the box may reach.
    pub policy: Policy,
    /// What the backend's name server knows beside the host's resolvers.
    pub dns: DnsSpec,
    /// Secrets that the gateway puts into requests. Never logged.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub secrets: Vec<SecretSpec>,
    /// Certificates in PEM of authorities that the gateway trusts, beside the host's own, when it verifies a server that gets a secret.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub ca_certificates: String,
    /// Bounds of connections and bandwidth.
    pub limits: NetworkLimits,
    /// The host's proxy, through which connections leave; `None` connects directly.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub proxy: Option<ProxySpec>,
}

/// What serves a box's network device.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum BackendKind {
    /// Our gateway in the shim.
    #[default]
    Gateway,
    /// The external program gvproxy.
    Gvproxy,
    /// The system's library libslirp.
    Libslirp,
}

impl BackendKind {
    /// Returns the lower-case name: `gateway`, `gvproxy` or `libslirp`.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Gateway => "gateway",
            Self::Gvproxy => "gvproxy",
            Self::Libslirp => "libslirp",
        }
    }
}

/// Where the program of [`BackendKind::Gvproxy`] is beside `PATH`: distributions and podman install it where no user looks for it.
pub const GVPROXY_FOLDERS: [&str; 6] = [
    "/usr/bin",
    "/usr/local/bin",
    "/usr/libexec/podman",
    "/usr/local/libexec/podman",
    "/usr/lib/podman",
    "/opt/podman/bin",
];

/// The addresses of the link between box and gateway. The link is private to the box, so all boxes may have the same ones.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LinkSpec {
    /// The box's hardware address. It is locally administered and differs for each box.
    pub mac: [u8; 6],
    /// The largest IP packet on the link, in bytes: 1280 to 65535. Default: 1500.
    pub mtu: u16,
    /// The IPv4 addresses.
    pub v4: Addresses<Ipv4Addr>,
    /// The IPv6 addresses; `None` if the host has no route to the IPv6 internet.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub v6: Option<Addresses<Ipv6Addr>>,
}

/// The addresses of one family on the link.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Addresses<A> {
    /// The box's address.
    pub guest: A,
    /// The gateway's address, which is the default route and the name server.
    pub gateway: A,
    /// The address by which the box reaches the host itself, if its policy allows that. It has the name [`HOST_NAME`].
    pub host: A,
    /// The length of the network's prefix, in bits.
    pub prefix: u8,
}

/// The host's proxy. The gateway offers the box an HTTP proxy of its own, which leads to this one, at [`PROXY_PORT`] of [`GATEWAY_NAME`].
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ProxySpec {
    /// `http://[USER:PASSWORD@]HOST:PORT`. Never logged.
    pub url: String,
    /// What is reached directly: entries as in `NO_PROXY`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub except: Vec<String>,
}

impl fmt::Debug for ProxySpec {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // The URL may hold a password.
        f.debug_struct("ProxySpec").field("except", &self.except).finish_non_exhaustive()
    }
}

/// The name of the host inside a box.
pub const HOST_NAME: &str = "host.boxlite.internal";

/// The name of the gateway inside a box.
pub const GATEWAY_NAME: &str = "gateway.boxlite.internal";

/// The port of the gateway's HTTP proxy, where the box has one.
pub const PROXY_PORT: u16 = 3128;

/// What the backend's name server knows and whom it asks.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct DnsSpec {
    /// The servers to ask; empty asks the host's own, as `/etc/resolv.conf` names them at the time of the query.
    pub servers: Vec<IpAddr>,
    /// The search domains; `None` takes the host's own.
    pub search: Option<Vec<String>>,
    /// Names with fixed addresses. A query for one does not leave the gateway.
    pub hosts: Vec<(String, IpAddr)>,
}

/// Bounds of a box's network. What is over them waits; nothing is lost.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct NetworkLimits {
    /// Most connections at one time, TCP and UDP together. Default: 8192.
    pub connections: u32,
    /// Most new connections per second. Default: 2000.
    pub new_per_second: u32,
    /// Most bytes per second from the box; 0 means no bound, which is the default.
    pub up: u64,
    /// Most bytes per second to the box; 0 means no bound, which is the default.
    pub down: u64,
}

impl Default for NetworkLimits {
    fn default() -> Self {
        Self { connections: 8192, new_per_second: 2000, up: 0, down: 0 }
    }
}
