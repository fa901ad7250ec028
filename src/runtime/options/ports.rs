//! The ports of a box that are published on the host from its start on. Part of `BoxOptions`, stored in `config.json`.

use std::collections::HashSet;

use boxlite_error::BoxliteResult;
use boxlite_spec::network::{port::PublishSpec, rule::Protocol};

use crate::options::bound::{bounded, require};

/// Most ports.
const MOST: usize = 64;

/// Refuses ports that can't be published.
pub(crate) fn check(ports: &[PublishSpec]) -> BoxliteResult<()> {
    const OPTION: &str = "ports";
    bounded(OPTION, ports.len(), MOST)?;
    let mut taken = HashSet::new();
    ports.iter().enumerate().try_for_each(|(at, port)| {
        let PublishSpec { guest, host, protocol, bind } = *port;
        require(guest > 0, OPTION, || format!("entry {at}: a port of the box is 1 to 65535: 0"))?;
        require(protocol != Protocol::Icmp, OPTION, || {
            format!("entry {at}: expected `tcp` or `udp`: `icmp`")
        })?;
        // A free port is another one each time.
        let good = host == 0 || taken.insert((bind, host, protocol));
        require(good, OPTION, || {
            format!("entry {at}: port {host}/{} of {bind} is published twice", protocol.as_str())
        })
    })
}

#[cfg(test)]
mod tests {
    use std::net::{IpAddr, Ipv4Addr};

    use super::*;

    const PORT: PublishSpec =
        PublishSpec { guest: 80, host: 0, protocol: Protocol::Tcp, bind: IpAddr::V4(Ipv4Addr::LOCALHOST) };

    #[test]
    fn ports_are_bounded_and_each_is_published_once() {
        let refused = |ports: &[PublishSpec]| check(ports).unwrap_err().to_string();
        check(&[PORT; MOST]).unwrap();
        assert_eq!(refused(&[PORT; MOST + 1]), "option `ports`: 65 entries; 64 at most");
        assert!(refused(&[PublishSpec { guest: 0, ..PORT }]).contains("entry 0: a port of the box is 1"));
        assert!(refused(&[PORT, PublishSpec { protocol: Protocol::Icmp, ..PORT }]).contains("entry 1"));
        let fixed = PublishSpec { host: 8080, ..PORT };
        check(&[fixed, PublishSpec { protocol: Protocol::Udp, ..fixed }]).unwrap();
        let error = refused(&[fixed, PublishSpec { guest: 81, ..fixed }]);
        assert_eq!(error, "option `ports`: entry 1: port 8080/tcp of 127.0.0.1 is published twice");
    }
}
