//! QUIC, into which nobody can look. It is refused where a name decides, by the policy itself, and to hosts with secrets.

use std::{net::IpAddr, sync::Arc, time::Duration};

use boxlite_spec::network::{
    NetworkSpec,
    rule::{Policy, Protocol},
};

use super::{
    super::Intercept,
    rig::{secret, spec},
    server::Server,
};
use crate::{
    backend::Reports,
    decision::{Decide, Decision, Destination},
    policy::Egress,
};

/// Addresses that no machine of a test has itself.
const API: IpAddr = IpAddr::V4(std::net::Ipv4Addr::new(93, 184, 216, 1));
const OTHER: IpAddr = IpAddr::V4(std::net::Ipv4Addr::new(93, 184, 216, 2));

#[tokio::test]
async fn network_pitfalls_quic_is_refused_where_a_name_decides_and_to_hosts_with_secrets() {
    let server = Server::start(&["api.example"]).await;
    let spec: NetworkSpec = spec(vec![secret("hidden", &["api.example"])], &server.root);
    let egress = Egress::new(&spec);
    for (name, address) in [("api.example", API), ("other.example", OTHER)] {
        egress.admit(name, address, Duration::from_mins(1)).unwrap();
    }
    let intercept =
        Intercept::new(&spec, Arc::clone(&egress) as Arc<dyn Decide>, Reports::default()).unwrap();
    let rule =
        |protocol, address, port| match intercept.decide().decide(Destination { protocol, address, port }) {
            Decision::Allowed(_) => None,
            Decision::Refused(refused) => Some((refused.rule, refused.name.unwrap_or_default())),
        };
    let quic = |address| rule(Protocol::Udp, address, 443);
    let secrets = "secrets are put into TCP, not into QUIC".to_owned();
    assert_eq!(quic(API), Some((secrets, "api.example".to_owned())));
    // Other hosts, ports and protocols are as the policy says.
    assert_eq!(quic(OTHER), None);
    assert_eq!((rule(Protocol::Udp, API, 444), rule(Protocol::Tcp, API, 443)), (None, None));

    let allow = Some(vec!["api.example".parse().unwrap(), "other.example".parse().unwrap()]);
    egress.set_policy(&Policy { allow, deny: Vec::new() });
    for (name, address) in [("api.example", API), ("other.example", OTHER)] {
        assert_eq!(quic(address), Some(("quic".to_owned(), name.to_owned())));
        assert_eq!((rule(Protocol::Udp, address, 444), rule(Protocol::Tcp, address, 443)), (None, None));
    }
}
