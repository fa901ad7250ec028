//! The machine's network: the loopback interface, and `eth0` as the host describes it.
//!
//! Called by the Guest service when the machine is set up, and by the Container service, which brings the device up, for the files that
//! follow from it. The container shares this network.

mod configured;
mod device;
mod link;
mod netlink;

use std::fs;

use boxlite_proto::v1::NetworkConfig;

pub use self::configured::Configured;
use self::{
    device::{DEVICE, Device},
    netlink::Netlink,
};
use crate::{Context as _, Error, Kind, Result};

/// Brings `lo` up; the kernel then gives it 127.0.0.1/8 and `::1`. Finds the network device if there is a `config`, which is brought up by
/// [`Configured::raise`].
///
/// # Errors
///
/// The configuration makes no sense, there is no device, or the kernel refuses a step.
pub fn configure(config: Option<&NetworkConfig>) -> Result<Configured> {
    link::raise_loopback(&Netlink::open()?)?;
    let Some(config) = config else { return Ok(Configured::default()) };
    let addresses = parse("address", &config.addresses)?;
    let gateways = parse("gateway", &config.gateways)?;
    let index = fs::read_to_string(format!("/sys/class/net/{DEVICE}/ifindex"));
    let index = index.context(|| format!("configure network: find device {DEVICE}"))?;
    let index: u32 = index.trim().parse().map_err(|_| {
        Error::new(Kind::System, format!("configure network: index of {DEVICE} is {index:?}"))
    })?;
    Ok(Configured::new(config, Device { index, mtu: config.mtu, addresses, gateways }))
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
