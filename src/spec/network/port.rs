//! A port of the box that is published on the host. The agent in the box dials it, so that services on the box's own loopback are
//! reached and no network is needed.

use std::net::IpAddr;

use serde::{Deserialize, Serialize};

use super::rule::Protocol;

/// A published port.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PublishSpec {
    /// The port in the box, 1 to 65535.
    pub guest: u16,
    /// The port on the host; 0 takes a free one.
    pub host: u16,
    /// [`Protocol::Tcp`] or [`Protocol::Udp`].
    pub protocol: Protocol,
    /// The host's address that is listened on.
    pub bind: IpAddr,
}
