//! The host's routes, as the kernel lists them (`/proc/net/route`, `/proc/net/ipv6_route`). A host without these files has none that is
//! known. Read by `link` and the doctor.

use std::{
    net::{Ipv4Addr, Ipv6Addr},
    path::Path,
};

use boxlite_error::BoxliteResult;
use ipnet::{Ipv4Net, Ipv6Net};

use crate::network::host_file;

/// A route that refuses (linux/route.h, `RTF_REJECT`).
const REJECT: u32 = 0x0200;

/// The destinations of a host's routes.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Routes {
    pub(crate) v4: Vec<Ipv4Net>,
    pub(crate) v6: Vec<Ipv6Net>,
}

impl Routes {
    /// Reads them. Blocking.
    ///
    /// # Errors
    /// `HOST_LIMIT`. A host without IPv6 has no list of its routes.
    pub(crate) fn read() -> BoxliteResult<Self> {
        let text = |file| host_file::read(Path::new(file));
        Ok(Self { v4: parse_v4(&text("/proc/net/route")?), v6: parse_v6(&text("/proc/net/ipv6_route")?) })
    }

    /// Whether there is a way to the IPv4 internet.
    pub(crate) fn has_default_v4(&self) -> bool {
        self.v4.iter().any(|net| net.prefix_len() == 0)
    }

    /// Whether there is a way to the IPv6 internet.
    pub(crate) fn has_default_v6(&self) -> bool {
        self.v6.iter().any(|net| net.prefix_len() == 0)
    }
}

/// Columns: interface, destination, gateway, flags, references, use, metric, mask and more; addresses are the words of memory, in hexadecimal.
fn parse_v4(text: &str) -> Vec<Ipv4Net> {
    let address =
        |word: &str| u32::from_str_radix(word, 16).ok().map(|word| Ipv4Addr::from(word.to_ne_bytes()));
    let route = |line: &str| {
        let columns: Vec<&str> = line.split_ascii_whitespace().collect();
        let [_, destination, _, flags, _, _, _, mask, ..] = columns[..] else { return None };
        let refuses = u32::from_str_radix(flags, 16).ok()? & REJECT != 0;
        let net = Ipv4Net::with_netmask(address(destination)?, address(mask)?).ok()?;
        (!refuses).then_some(net)
    };
    text.lines().skip(1).filter_map(route).collect()
}

/// Columns: destination, prefix, source, prefix, next hop, metric, references, use, flags, interface; all hexadecimal.
fn parse_v6(text: &str) -> Vec<Ipv6Net> {
    let route = |line: &str| {
        let columns: Vec<&str> = line.split_ascii_whitespace().collect();
        let [destination, prefix, _, _, _, _, _, _, flags, interface] = columns[..] else { return None };
        let refuses = u32::from_str_radix(flags, 16).ok()? & REJECT != 0;
        let address = Ipv6Addr::from(u128::from_str_radix(destination, 16).ok()?);
        let net = Ipv6Net::new(address, u8::from_str_radix(prefix, 16).ok()?).ok()?;
        (!refuses && interface != "lo").then_some(net)
    };
    text.lines().filter_map(route).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    #[cfg(target_endian = "little")]
    fn the_kernels_lists_are_read() {
        let text = "Iface\tDestination\tGateway \tFlags\tRefCnt\tUse\tMetric\tMask\t\tMTU\tWindow\tIRTT\n\
                    eth0\t00000000\t010011AC\t0003\t0\t0\t0\t00000000\t0\t0\t0\n\
                    eth0\t000011AC\t00000000\t0001\t0\t0\t0\t0000FFFF\t0\t0\t0\n\
                    tun0\t0000000A\t00000000\t0201\t0\t0\t0\t000000FF\t0\t0\t0\n\
                    broken\n";
        let routes = parse_v4(text);
        assert_eq!(routes, ["0.0.0.0/0".parse().unwrap(), "172.17.0.0/16".parse().unwrap()]);
    }

    #[test]
    fn network_pitfalls_ipv6_without_a_route_a_route_that_refuses_is_none() {
        let zero = "0".repeat(32);
        let refusing = format!("{zero} 00 {zero} 00 {zero} ffffffff 00000001 00000000 00200200       lo\n");
        let local = format!(
            "fe80{} 40 {zero} 00 {zero} 00000100 00000001 00000000 00000001     eth0\n",
            "0".repeat(28)
        );
        let routes = Routes { v6: parse_v6(&(refusing.clone() + &local)), ..Default::default() };
        assert!(!routes.has_default_v6() && routes.v6.len() == 1, "{routes:?}");
        let default = format!(
            "{zero} 00 {zero} 00 fe80{} 00000400 00000001 00000000 00450003     eth0\n",
            "0".repeat(28)
        );
        assert!(Routes { v6: parse_v6(&(refusing + &default)), ..Default::default() }.has_default_v6());
    }
}
