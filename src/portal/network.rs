//! `NetworkConfig`: how the guest configures its network device. Made by the runtime's pipeline, sent by `guest`.

use std::net::IpAddr;

use boxlite_proto::v1;

/// The configuration of the guest's network device and of the files that follow from it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct NetworkConfig {
    /// The largest IP packet, in bytes.
    pub mtu: u16,
    /// Addresses with the lengths of their prefixes.
    pub addresses: Vec<(IpAddr, u8)>,
    /// The default routes, one for each family.
    pub gateways: Vec<IpAddr>,
    /// The name servers.
    pub dns_servers: Vec<IpAddr>,
    /// The search domains.
    pub dns_search: Vec<String>,
    /// Names with fixed addresses, for `/etc/hosts`.
    pub hosts: Vec<(IpAddr, String)>,
    /// Certificates of authorities in PEM, which are added to the box's store.
    pub ca_certificates: Vec<u8>,
}

impl NetworkConfig {
    pub(crate) fn message(&self) -> v1::NetworkConfig {
        let words = |list: &[IpAddr]| list.iter().map(IpAddr::to_string).collect();
        v1::NetworkConfig {
            mtu: self.mtu.into(),
            addresses: self.addresses.iter().map(|(address, prefix)| format!("{address}/{prefix}")).collect(),
            gateways: words(&self.gateways),
            dns_servers: words(&self.dns_servers),
            dns_search: self.dns_search.clone(),
            hosts: self.hosts.iter().map(|(address, name)| format!("{address}\t{name}")).collect(),
            ca_certificates: self.ca_certificates.clone().into(),
        }
    }
}
