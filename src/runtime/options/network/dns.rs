//! `DnsOptions`: the name server of a box. Part of `NetworkOptions`, which checks it; `network/resolver.rs` keeps the same bounds of search
//! domains.

use std::net::IpAddr;

use boxlite_error::{BoxliteError, BoxliteResult, shorten::shortened};
use boxlite_spec::network::DnsSpec;
use serde::{Deserialize, Serialize};

use super::host_name::host_name;
use crate::options::bound::{SHOWN, bounded, require};

/// Most name servers, which is what `/etc/resolv.conf` of the host may have several times over.
const MOST_SERVERS: usize = 16;
/// Most search domains, and most bytes of all of them with a space between two: what every C library reads (resolv.conf(5)).
pub(crate) const MOST_SEARCH_DOMAINS: usize = 6;
pub(crate) const SEARCH_BYTES: usize = 256;
/// Most names with fixed addresses.
const MOST_HOSTS: usize = 1000;

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

fn address(option: &'static str, text: &str) -> BoxliteResult<IpAddr> {
    text.parse().map_err(|_| {
        let why = format!("expected an IP address: `{}`", shortened(text, SHOWN));
        BoxliteError::invalid_option(option, why)
    })
}
