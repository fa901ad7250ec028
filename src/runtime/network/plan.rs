//! `NetworkPlan`: the network of a box for one start, on its two sides: the [`NetworkSpec`] for the shim and the [`NetworkConfig`] for
//! the guest. Made by the pipeline.

use std::path::PathBuf;

use boxlite_error::BoxliteResult;
use boxlite_portal::NetworkConfig;
use boxlite_spec::network::{BackendKind, GATEWAY_NAME, HOST_NAME, LinkSpec, NetworkSpec};

use crate::{
    network::{
        certificates,
        link::{gvproxy_link, link},
        proxy,
        resolver::Resolver,
        routes::Routes,
    },
    options::network::NetworkOptions,
    state::config::BoxConfig,
};

/// Both sides of a box's network.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct NetworkPlan {
    pub(crate) shim: NetworkSpec,
    pub(crate) guest: NetworkConfig,
}

/// What of this host goes into a plan.
#[derive(Debug, Clone, Default)]
pub(crate) struct Host {
    routes: Routes,
    resolver: Resolver,
}

impl Host {
    /// Reads it. Blocking.
    ///
    /// # Errors
    /// `HOST_LIMIT`.
    pub(crate) fn read() -> BoxliteResult<Self> {
        Ok(Self { routes: Routes::read()?, resolver: Resolver::read()? })
    }
}

impl NetworkPlan {
    /// The plan for a box; `None` for one without a network. Blocking: it reads certificates.
    ///
    /// # Errors
    /// `INVALID_ARGUMENT` if the host does not have what an option asks for: certificates, or a proxy that can be used.
    pub(crate) fn of(config: &BoxConfig, host: &Host) -> BoxliteResult<Option<Self>> {
        config.options.network.as_ref().map(|options| Self::with(config, options, host)).transpose()
    }

    fn with(config: &BoxConfig, options: &NetworkOptions, host: &Host) -> BoxliteResult<Self> {
        let link = match options.backend {
            BackendKind::Gvproxy => gvproxy_link(&config.id, options.mtu),
            other => {
                let ipv6 = if other == BackendKind::Gateway { options.ipv6 } else { Some(false) };
                link(&config.id, &host.routes, options.subnet()?, options.mtu, ipv6)
            }
        };
        let dns = options.dns.spec()?;
        let proxy = proxy::spec(options.proxy.as_ref())?;
        let ca_certificates = options.ca.as_ref().map(certificates::read).transpose()?.unwrap_or_default();
        let search = dns.search.as_ref().unwrap_or(&host.resolver.search).clone();
        // PEM is text; what else a file holds is no certificate.
        let roots = String::from_utf8_lossy(&ca_certificates).into_owned();
        Ok(Self {
            guest: guest(&link, proxy.is_some(), search, ca_certificates),
            shim: NetworkSpec {
                backend: options.backend,
                program: program(options.backend),
                link,
                policy: options.policy()?,
                dns,
                secrets: config.options.secrets.iter().map(|secret| secret.spec(&config.id)).collect(),
                limits: options.limits(),
                proxy,
                ca_certificates: roots,
            },
        })
    }
}

/// The program or the library that the host names for a backend; the shim searches for what is not named. The shim has no such variables of
/// its own.
fn program(backend: BackendKind) -> Option<PathBuf> {
    let variable = match backend {
        BackendKind::Gateway => return None,
        BackendKind::Gvproxy => "BOXLITE_GVPROXY",
        BackendKind::Libslirp => "BOXLITE_LIBSLIRP",
    };
    std::env::var_os(variable).filter(|path| !path.is_empty()).map(PathBuf::from)
}

/// What the guest is told: the addresses that its backend serves. They are known before the start, whatever the backend is, so that
/// no guest has to ask for them by DHCP.
fn guest(link: &LinkSpec, has_proxy: bool, search: Vec<String>, ca: Vec<u8>) -> NetworkConfig {
    let LinkSpec { v4, v6, .. } = link;
    let v6 = v6.as_ref();
    let gateway = has_proxy.then(|| (v4.gateway.into(), GATEWAY_NAME.to_owned()));
    let v6_address = v6.map(|v6| (v6.guest.into(), v6.prefix));
    NetworkConfig {
        addresses: std::iter::once((v4.guest.into(), v4.prefix)).chain(v6_address).collect(),
        gateways: std::iter::once(v4.gateway.into()).chain(v6.map(|v6| v6.gateway.into())).collect(),
        // One is enough, as all servers are behind the gateway, and a second one would be asked in vain if the first were gone.
        dns_servers: vec![v4.gateway.into()],
        // Names with fixed addresses are left to the name server: a rule by name holds for what it has answered.
        hosts: std::iter::once((v4.host.into(), HOST_NAME.to_owned())).chain(gateway).collect(),
        mtu: link.mtu,
        dns_search: search,
        ca_certificates: ca,
    }
}

#[cfg(test)]
mod tests {
    use std::net::IpAddr;

    use super::*;
    use crate::options::{box_options::BoxOptions, secrets::Secret};

    fn config(network: Option<NetworkOptions>) -> BoxConfig {
        BoxConfig::new("0123456789ab".into(), 0, BoxOptions { network, ..BoxOptions::new("x") })
    }

    fn host() -> Host {
        Host {
            routes: Routes { v6: vec!["::/0".parse().unwrap()], ..Routes::default() },
            resolver: Resolver { search: vec!["corp.example".into()], ..Resolver::default() },
        }
    }

    fn plan(network: NetworkOptions) -> NetworkPlan {
        NetworkPlan::of(&config(Some(network)), &host()).unwrap().unwrap()
    }

    #[test]
    fn a_box_without_a_network_has_no_plan() {
        assert_eq!(NetworkPlan::of(&config(None), &host()).unwrap(), None);
    }

    #[test]
    fn both_sides_have_the_same_addresses() {
        let NetworkPlan { shim, guest } = plan(NetworkOptions::default());
        let link = shim.link;
        let v6 = link.v6.expect("the host has a route");
        assert_eq!(guest.addresses, [(link.v4.guest.into(), 24), (v6.guest.into(), 64)]);
        assert_eq!(guest.gateways, [IpAddr::from(link.v4.gateway), v6.gateway.into()]);
        assert_eq!(guest.dns_servers, [IpAddr::from(link.v4.gateway)]);
        assert_eq!(guest.hosts, [(link.v4.host.into(), "host.boxlite.internal".to_owned())]);
        assert_eq!((guest.mtu, guest.dns_search), (1500, vec!["corp.example".to_owned()]));
        assert!(shim.policy.allow.is_none() && shim.proxy.is_none() && shim.secrets.is_empty());
    }

    #[test]
    fn libslirp_serves_the_addresses_of_the_gateway_except_ipv6() {
        let of = |backend| plan(NetworkOptions { backend, ..Default::default() });
        let (gateway, libslirp) = (of(BackendKind::Gateway), of(BackendKind::Libslirp));
        assert_eq!(libslirp.shim.link, LinkSpec { v6: None, ..gateway.shim.link });
        assert_eq!(libslirp.guest.addresses, gateway.guest.addresses[..1]);
        assert_eq!(libslirp.guest.gateways, gateway.guest.gateways[..1]);
        assert_eq!(libslirp.guest.dns_servers, gateway.guest.dns_servers);
        assert_eq!(libslirp.guest.hosts, gateway.guest.hosts);
    }

    #[test]
    fn gvproxy_has_addresses_of_its_own_whatever_routes_the_host_has() {
        let mut host = host();
        host.routes.v4.push("192.168.127.0/24".parse().unwrap());
        let options = NetworkOptions { backend: BackendKind::Gvproxy, mtu: Some(9000), ..Default::default() };
        let NetworkPlan { shim, guest } = NetworkPlan::of(&config(Some(options)), &host).unwrap().unwrap();
        let link = shim.link;
        let text = |address: std::net::Ipv4Addr| address.to_string();
        assert_eq!(text(link.v4.gateway), "192.168.127.1");
        assert_eq!(
            (text(link.v4.guest), text(link.v4.host)),
            ("192.168.127.3".into(), "192.168.127.254".into())
        );
        assert_eq!((link.v6, link.mtu), (None, 9000));
        assert_eq!(guest.addresses, [(link.v4.guest.into(), 24)]);
        assert_eq!((guest.gateways, guest.mtu), (vec![IpAddr::from(link.v4.gateway)], 9000));
        assert_eq!(guest.dns_servers, [IpAddr::from(link.v4.gateway)]);
    }

    #[test]
    fn secrets_reach_the_shim_and_only_placeholders_the_guest() {
        let mut config = config(Some(NetworkOptions::default()));
        config.options.secrets.push(Secret {
            env: "KEY".into(),
            value: "hunter2".into(),
            hosts: vec!["api.example.com".into()],
        });
        let plan = NetworkPlan::of(&config, &host()).unwrap().unwrap();
        assert_eq!(plan.shim.secrets[0].value, "hunter2");
        assert!(!format!("{plan:?}").contains("hunter2"));
        let image = crate::state::config::ResolvedImage {
            digest: "sha256:0".into(),
            config: boxlite_images::ImageConfig::default(),
        };
        let env = crate::container::spec::environment(&config, &image);
        assert!(env.contains(&"KEY=boxlite-0123456789ab-KEY-secret".to_owned()), "{env:?}");
        assert!(env.contains(&format!("PIP_CERT={}", boxlite_wire::authorities::BUNDLE)), "{env:?}");
        assert!(!env.iter().any(|variable| variable.contains("hunter2")));
    }
}
