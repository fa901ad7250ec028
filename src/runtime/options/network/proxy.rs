//! `Proxy`: through which HTTP proxy a box's connections leave. Part of `NetworkOptions`, which checks it; `network/proxy.rs` finds the
//! host's.

use std::net::IpAddr;

use boxlite_error::BoxliteResult;
use serde::{Deserialize, Serialize};

use super::host_name::host_name;
use crate::options::bound::require;

/// Longest URL of a proxy, in bytes.
const URL: usize = 1024;

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

impl Proxy {
    /// # Errors
    /// `INVALID_ARGUMENT` without the URL, which may hold a password.
    pub(super) fn check(&self) -> BoxliteResult<()> {
        let good = match self {
            Self::Host => true,
            Self::Url(url) => is_proxy(url),
        };
        require(good, "network.proxy", || "expected http://HOST:PORT")
    }
}

/// Whether the gateway can use it: HTTP to the proxy itself, a host and a port.
pub(crate) fn is_proxy(url: &str) -> bool {
    let Some(rest) = url.strip_prefix("http://") else { return false };
    let rest = rest.strip_suffix('/').unwrap_or(rest);
    let authority = rest.rsplit_once('@').map_or(rest, |(_, host)| host);
    let Some((host, port)) = authority.rsplit_once(':') else { return false };
    let host = host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).unwrap_or(host);
    let is_host = host.parse::<IpAddr>().is_ok() || host_name("network.proxy", host).is_ok();
    url.len() <= URL
        && is_host
        && port.parse::<u16>().is_ok_and(|port| port > 0)
        && url.bytes().all(|byte| byte.is_ascii_graphic())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_proxys_password_is_not_told() {
        for url in ["http://u:hunter2@proxy", "https://u:hunter2@proxy:1", "http://u:hunter2@:1"] {
            let error = Proxy::Url(url.into()).check().unwrap_err().to_string();
            assert!(!error.contains("hunter2"), "{error}");
        }
        for url in ["http://proxy:3128", "http://u:p@10.0.0.1:80/", "http://[::1]:3128"] {
            assert!(is_proxy(url), "{url}");
        }
        assert!(!format!("{:?}", Proxy::Url("http://u:hunter2@proxy:1".into())).contains("hunter2"));
    }
}
