//! Interfaces, addresses and routes, as requests to the kernel.
//!
//! Called by `network`; calls `netlink`.

use std::{fmt, net::IpAddr, str::FromStr};

use nix::libc;

use super::netlink::{Netlink, Request};
use crate::{Context as _, Result};

/// The index of `lo` in every network namespace.
const LOOPBACK: u32 = 1;

/// The address of an interface with the length of its network's prefix.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Address {
    address: IpAddr,
    prefix: u8,
}

impl Address {
    pub(super) fn is_ipv6(&self) -> bool {
        self.address.is_ipv6()
    }
}

impl FromStr for Address {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        let (address, prefix) = text.split_once('/').ok_or(())?;
        let address: IpAddr = address.parse().map_err(|_| ())?;
        let prefix = prefix.parse().map_err(|_| ())?;
        let most = if address.is_ipv4() { 32 } else { 128 };
        if prefix > most { Err(()) } else { Ok(Self { address, prefix }) }
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.address, self.prefix)
    }
}

/// Brings `lo` up.
pub(super) fn raise_loopback(netlink: &Netlink) -> Result<()> {
    netlink.ask(&up(LOOPBACK)).context(|| "bring up the loopback interface")
}

/// Brings the interface `index` up. Its largest packet is `mtu`; 0 leaves what it is.
pub(super) fn raise(netlink: &Netlink, index: u32, mtu: u32) -> Result<()> {
    let up = up(index);
    let request = if mtu == 0 { up } else { up.with(libc::IFLA_MTU, &mtu.to_ne_bytes()) };
    netlink.ask(&request).context(|| format!("bring up the network device with MTU {mtu}"))
}

/// `ifinfomsg` of a change of `IFF_UP` alone.
fn up(index: u32) -> Request {
    let up = libc::IFF_UP.to_ne_bytes();
    let fixed = [[0; 4], index.to_ne_bytes(), up, up].concat();
    Request::change(libc::RTM_NEWLINK, &fixed)
}

/// Gives an address to the interface `index`. It is used at once: nobody else can have it on this link.
pub(super) fn add_address(netlink: &Netlink, index: u32, address: &Address) -> Result<()> {
    let flags = u8::try_from(libc::IFA_F_NODAD).unwrap_or(0);
    // `ifaddrmsg`, of scope "universe".
    let fixed = [[family(address.address), address.prefix, flags, 0], index.to_ne_bytes()].concat();
    let bytes = octets(address.address);
    let request = Request::make(libc::RTM_NEWADDR, &fixed)
        .with(libc::IFA_LOCAL, &bytes)
        .with(libc::IFA_ADDRESS, &bytes);
    netlink.ask(&request).context(|| format!("give address {address} to the network device"))
}

/// Makes `gateway` the way to everywhere, through the interface `index`.
pub(super) fn add_default_route(netlink: &Netlink, index: u32, gateway: IpAddr) -> Result<()> {
    let fixed = [
        [family(gateway), 0, 0, 0],
        [libc::RT_TABLE_MAIN, libc::RTPROT_BOOT, libc::RT_SCOPE_UNIVERSE, libc::RTN_UNICAST],
        [0; 4],
    ];
    let request = Request::make(libc::RTM_NEWROUTE, &fixed.concat())
        .with(libc::RTA_GATEWAY, &octets(gateway))
        .with(libc::RTA_OIF, &index.to_ne_bytes());
    netlink.ask(&request).context(|| format!("add the default route by {gateway}"))
}

fn family(address: IpAddr) -> u8 {
    let family = if address.is_ipv4() { libc::AF_INET } else { libc::AF_INET6 };
    u8::try_from(family).unwrap_or(0)
}

fn octets(address: IpAddr) -> Vec<u8> {
    match address {
        IpAddr::V4(address) => address.octets().to_vec(),
        IpAddr::V6(address) => address.octets().to_vec(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_have_prefixes() {
        for text in ["192.168.127.2/24", "fd00::2/64", "10.0.0.1/32"] {
            assert_eq!(text.parse::<Address>().expect(text).to_string(), text);
        }
        for text in ["192.168.127.2", "192.168.127.2/33", "fd00::2/129", "x/1", "1.2.3.4/-1", ""] {
            assert!(text.parse::<Address>().is_err(), "{text}");
        }
    }
}
