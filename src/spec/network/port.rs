//! A port of the box that is published on the host. The agent in the box dials it, so that services on the box's own loopback are
//! reached and no network is needed.

use std::net::{IpAddr, Ipv4Addr};

use serde::{Deserialize, Serialize};

use super::rule::Protocol;

/// A published port. As a wish, what is left out has its default; as an answer, `host` is the port that was given.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PublishSpec {
    /// The port in the box, 1 to 65535.
    pub guest: u16,
    /// The port on the host; 0 takes a free one. Default: 0.
    #[serde(default)]
    pub host: u16,
    /// [`Protocol::Tcp`] or [`Protocol::Udp`]. Default: TCP.
    #[serde(default = "tcp")]
    pub protocol: Protocol,
    /// The host's address that is listened on. Default: 127.0.0.1, which other machines can't reach.
    #[serde(default = "loopback")]
    pub bind: IpAddr,
}

impl PublishSpec {
    /// The TCP port `guest` of the box at a free port of 127.0.0.1.
    pub const fn new(guest: u16) -> Self {
        Self { guest, host: 0, protocol: tcp(), bind: loopback() }
    }
}

const fn tcp() -> Protocol {
    Protocol::Tcp
}

const fn loopback() -> IpAddr {
    IpAddr::V4(Ipv4Addr::LOCALHOST)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_left_out_is_a_free_tcp_port_of_the_loopback() {
        let read: PublishSpec = serde_json::from_str(r#"{ "guest": 80 }"#).unwrap();
        assert_eq!(read, PublishSpec::new(80));
        assert_eq!(
            (read.host, read.protocol, read.bind.to_string()),
            (0, Protocol::Tcp, "127.0.0.1".to_owned())
        );
    }
}
