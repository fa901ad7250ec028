//! Whether the ports that a box publishes from its start on can be had, before anything of the start is done. Called by the pipeline; the
//! shim opens them later, and reports the same if somebody was faster.

use std::{
    io,
    net::{SocketAddr, UdpSocket},
};

use boxlite_error::BoxliteResult;
use boxlite_spec::network::{port::PublishSpec, rule::Protocol};
use tokio::net::TcpSocket;

use crate::network::port_error;

/// Looks at the ports of the box `id` that have a number on the host.
///
/// # Errors
/// `PORT_IN_USE` and `PORT_DENIED` for the first that can't be had.
pub(crate) fn check(id: &str, ports: &[PublishSpec]) -> BoxliteResult<()> {
    ports.iter().filter(|port| port.host > 0).try_for_each(|port| {
        let PublishSpec { guest, host, protocol, bind } = *port;
        let address = SocketAddr::new(bind, host);
        let Err(error) = try_bind(address, protocol) else { return Ok(()) };
        let message = format!(
            "start box `{id}`: publish port {guest}/{} of the box on {address}: {error}",
            protocol.as_str()
        );
        match error.kind() {
            io::ErrorKind::AddrInUse => Err(port_error::in_use(message).caused_by(error)),
            io::ErrorKind::PermissionDenied | io::ErrorKind::AddrNotAvailable => {
                Err(port_error::denied(message).caused_by(error))
            }
            // Whatever it is, the shim meets it again if it matters.
            _ => Ok(()),
        }
    })
}

/// Takes the address for a moment. Nothing is accepted there: a client must not take this for the box.
fn try_bind(address: SocketAddr, protocol: Protocol) -> io::Result<()> {
    if protocol == Protocol::Udp {
        return UdpSocket::bind(address).map(drop);
    }
    let socket = if address.is_ipv4() { TcpSocket::new_v4() } else { TcpSocket::new_v6() }?;
    // As the shim does it: connections that have ended lately do not keep the port.
    socket.set_reuseaddr(true)?;
    socket.bind(address)
}

#[cfg(test)]
mod tests {
    use std::net::{IpAddr, Ipv4Addr, TcpListener};

    use boxlite_error::ErrorCode;

    use super::*;

    fn port(host: u16, protocol: Protocol) -> PublishSpec {
        PublishSpec { host, protocol, ..PublishSpec::new(80) }
    }

    #[test]
    fn a_port_that_is_taken_is_told_with_its_address_and_a_remedy() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let host = listener.local_addr().unwrap().port();
        let error = check("b", &[PublishSpec::new(1), port(host, Protocol::Tcp)]).unwrap_err();
        assert_eq!(error.code(), ErrorCode::PortInUse);
        let expected = format!("start box `b`: publish port 80/tcp of the box on 127.0.0.1:{host}: ");
        assert!(error.to_string().starts_with(&expected), "{error}");
        assert!(error.hint_text().unwrap().to_string().contains("`host`"));
        // The protocols have ports of their own, and one that was free stays free.
        for _ in 0..2 {
            check("b", &[port(host, Protocol::Udp)]).unwrap();
        }
        drop(listener);
        check("b", &[port(host, Protocol::Tcp)]).unwrap();
        let taken = UdpSocket::bind(("127.0.0.1", host)).unwrap();
        let error = check("b", &[port(host, Protocol::Udp)]).unwrap_err();
        assert_eq!(error.code(), ErrorCode::PortInUse, "{taken:?}");
    }

    #[test]
    fn an_address_that_is_not_of_this_host_is_denied() {
        let bind = IpAddr::V4(Ipv4Addr::new(192, 0, 2, 77));
        let error = check("b", &[PublishSpec { bind, ..port(8080, Protocol::Tcp) }]).unwrap_err();
        assert_eq!(error.code(), ErrorCode::PortDenied);
        assert!(error.to_string().contains("192.0.2.77:8080"), "{error}");
    }
}
