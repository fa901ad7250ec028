//! The box's network device: how it is brought up with what the host has said of it.
//!
//! Made by `network`; brought up through `Configured`; calls `link`.

use std::{fs, net::IpAddr, path::PathBuf};

use super::{
    link::{self, Address},
    netlink::Netlink,
};
use crate::{Context as _, Result};

/// The name of the only network device.
pub(super) const DEVICE: &str = "eth0";

/// The network device and what it is to be given.
#[derive(Debug, Clone, Default)]
pub(super) struct Device {
    /// Its index.
    pub(super) index: u32,
    /// Its largest packet; 0 leaves what it is.
    pub(super) mtu: u32,
    /// Its addresses.
    pub(super) addresses: Vec<Address>,
    /// The ways to everywhere.
    pub(super) gateways: Vec<IpAddr>,
}

impl Device {
    /// Brings it up.
    ///
    /// # Errors
    ///
    /// The kernel refuses a step.
    pub(super) fn raise(&self) -> Result<()> {
        let netlink = Netlink::open()?;
        set_ipv6(self.addresses.iter().any(Address::is_ipv6))?;
        link::raise(&netlink, self.index, self.mtu)?;
        for address in &self.addresses {
            link::add_address(&netlink, self.index, address)?;
        }
        for gateway in &self.gateways {
            link::add_default_route(&netlink, self.index, *gateway)?;
        }
        Ok(())
    }
}

/// Turns IPv6 off on the device of a box that has no IPv6 address, so that no program takes a link-local one for a way out. Otherwise lets
/// the kernel use its addresses at once, and ask no router: what it would hear is what it was configured with.
fn set_ipv6(on: bool) -> Result<()> {
    let parameters: &[(&str, &str)] = if on {
        &[("accept_dad", "0"), ("accept_ra", "0"), ("router_solicitations", "0")]
    } else {
        &[("disable_ipv6", "1")]
    };
    for (name, value) in parameters {
        let path = PathBuf::from(format!("/proc/sys/net/ipv6/conf/{DEVICE}/{name}"));
        fs::write(&path, value)
            .context(|| format!("configure network: write {value} to {}", path.display()))?;
    }
    Ok(())
}
