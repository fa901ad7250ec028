//! The machine's network: the loopback interface, and `eth0` as the host describes it.
//!
//! Called by the Guest service when the machine is set up, and by the Container service for the files that follow from it. The container
//! shares this network.

mod configured;
mod link;
mod netlink;

use std::{fs, net::IpAddr, path::PathBuf};

use boxlite_proto::v1::NetworkConfig;

pub use self::configured::Configured;
use self::{link::Address, netlink::Netlink};
use crate::{Context as _, Error, Kind, Result};

/// The name of the only network device.
const DEVICE: &str = "eth0";

/// Brings `lo` up; the kernel then gives it 127.0.0.1/8 and `::1`. Configures the network device if there is a `config`.
///
/// # Errors
///
/// The configuration makes no sense, there is no device, or the kernel refuses a step.
pub fn configure(config: Option<&NetworkConfig>) -> Result<Configured> {
    let netlink = Netlink::open()?;
    link::raise_loopback(&netlink)?;
    let Some(config) = config else { return Ok(Configured::default()) };
    let addresses = parse("address", &config.addresses)?;
    let gateways: Vec<IpAddr> = parse("gateway", &config.gateways)?;
    let index = fs::read_to_string(format!("/sys/class/net/{DEVICE}/ifindex"));
    let index = index.context(|| format!("configure network: find device {DEVICE}"))?;
    let index: u32 = index.trim().parse().map_err(|_| {
        Error::new(Kind::System, format!("configure network: index of {DEVICE} is {index:?}"))
    })?;
    set_ipv6(addresses.iter().any(Address::is_ipv6))?;
    link::raise(&netlink, index, config.mtu)?;
    for address in &addresses {
        link::add_address(&netlink, index, address)?;
    }
    for gateway in gateways {
        link::add_default_route(&netlink, index, gateway)?;
    }
    Ok(Configured::new(config))
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

fn parse<T: std::str::FromStr>(what: &str, list: &[String]) -> Result<Vec<T>> {
    list.iter()
        .map(|text| {
            text.parse().map_err(|_| {
                Error::new(Kind::Invalid, format!("configure network: {what} {text:?} can't be read"))
            })
        })
        .collect()
}
