//! The addresses on the link between a box and its gateway. Called by `plan` and the doctor.

use std::net::{Ipv4Addr, Ipv6Addr};

use boxlite_spec::network::{Addresses, LinkSpec};
use ipnet::Ipv4Net;

use crate::network::routes::Routes;

/// The MTU unless the options say otherwise.
const MTU: u16 = 1500;

/// The networks that are tried in this order. None is of 100.64.0.0/10, which Tailscale and carriers use, nor one that docker, podman
/// or libvirt take first.
const CANDIDATES: [[u8; 4]; 6] = [
    [192, 168, 127, 0],
    [10, 88, 77, 0],
    [172, 29, 77, 0],
    [10, 213, 77, 0],
    [192, 168, 211, 0],
    [172, 23, 77, 0],
];
const PREFIX: u8 = 24;

/// The IPv6 network of every link, which is a unique local one (RFC 4193).
const NETWORK_V6: [u16; 4] = [0xfd62, 0x6f78, 0x6c69, 0x7465];
const PREFIX_V6: u8 = 64;

/// The network of the program gvproxy, which has no option for another one. It reserves the first address of a guest for one hardware
/// address of its own choice, and gives the next one to the box.
const GVPROXY: [u8; 4] = [192, 168, 127, 0];
const GVPROXY_GUEST: u8 = 3;

/// The link of the box of this id to gvproxy.
pub(crate) fn gvproxy_link(box_id: &str, mtu: Option<u16>) -> LinkSpec {
    let [a, b, c, d] = GVPROXY;
    let subnet = Ipv4Net::new_assert(Ipv4Addr::new(a, b, c, d), PREFIX);
    let mut link = link(box_id, &Routes::default(), Some(subnet), mtu, Some(false));
    link.v4.guest = Ipv4Addr::new(a, b, c, GVPROXY_GUEST);
    link
}

/// The link of the box of this id on a host with these routes. `subnet`, `mtu` and `ipv6` are what its maker wishes.
pub(crate) fn link(
    box_id: &str,
    routes: &Routes,
    subnet: Option<Ipv4Net>,
    mtu: Option<u16>,
    ipv6: Option<bool>,
) -> LinkSpec {
    let v4 = subnet.unwrap_or_else(|| subnet_beside(routes).0);
    // The option allows no network with fewer addresses.
    let at = |offset: u32| Ipv4Addr::from(u32::from(v4.network()).wrapping_add(offset));
    let host = Ipv4Addr::from(u32::from(v4.broadcast()).wrapping_sub(1));
    let v6 = |last| {
        let [a, b, c, d] = NETWORK_V6;
        Ipv6Addr::new(a, b, c, d, 0, 0, 0, last)
    };
    LinkSpec {
        mac: mac(box_id),
        mtu: mtu.unwrap_or(MTU),
        v4: Addresses { guest: at(2), gateway: at(1), host, prefix: v4.prefix_len() },
        v6: ipv6.unwrap_or_else(|| routes.has_default_v6()).then(|| Addresses {
            guest: v6(2),
            gateway: v6(1),
            host: v6(0xfe),
            prefix: PREFIX_V6,
        }),
    }
}

/// A locally administered address of a single card, which differs for each box: an FNV-1a hash of its id.
fn mac(box_id: &str) -> [u8; 6] {
    let hash = box_id.bytes().fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
    });
    let mut mac = [0x02; 6];
    mac[1..].copy_from_slice(&hash.to_be_bytes()[..5]);
    mac
}

/// The first candidate that no route of the host overlaps, and `None`. Where each is overlapped, the one whose overlapping route is the
/// widest, since that says the least of who has the addresses; and that route.
pub(crate) fn subnet_beside(routes: &Routes) -> (Ipv4Net, Option<Ipv4Net>) {
    let candidates = CANDIDATES.map(|[a, b, c, d]| Ipv4Net::new_assert(Ipv4Addr::new(a, b, c, d), PREFIX));
    let overlapping = |net: Ipv4Net| {
        let overlaps =
            |route: &&Ipv4Net| route.prefix_len() > 0 && (route.contains(&net) || net.contains(*route));
        routes.v4.iter().filter(overlaps).max_by_key(|route| route.prefix_len()).copied()
    };
    let judged = candidates.map(|net| (net, overlapping(net)));
    let best = judged.into_iter().min_by_key(|(_, route)| route.map_or(0, |route| route.prefix_len()));
    best.unwrap_or(judged[0])
}

#[cfg(test)]
mod tests {
    use super::*;

    fn routes(v4: &[&str], v6: &[&str]) -> Routes {
        Routes {
            v4: v4.iter().map(|net| net.parse().unwrap()).collect(),
            v6: v6.iter().map(|net| net.parse().unwrap()).collect(),
        }
    }

    fn of(routes: &Routes) -> LinkSpec {
        link("0123456789ab", routes, None, None, None)
    }

    #[test]
    fn network_pitfalls_address_pools_a_network_of_the_host_is_left_alone() {
        let free = of(&routes(&["0.0.0.0/0", "10.0.2.0/24", "100.64.0.0/10"], &[]));
        assert_eq!(free.v4.guest.to_string(), "192.168.127.2");
        assert_eq!(
            (free.v4.gateway.to_string(), free.v4.host.to_string()),
            ("192.168.127.1".into(), "192.168.127.254".into())
        );
        let taken = of(&routes(&["0.0.0.0/0", "192.168.127.0/24"], &[]));
        assert_eq!(taken.v4.guest.to_string(), "10.88.77.2");
        let wide = of(&routes(&["192.168.0.0/16", "10.0.0.0/8"], &[]));
        assert_eq!(wide.v4.guest.to_string(), "172.29.77.2");
        // Each is taken: the widest route is of 10.0.0.0/8.
        let all = routes(&["192.168.0.0/16", "10.0.0.0/8", "172.16.0.0/12"], &[]);
        assert_eq!(of(&all).v4.guest.to_string(), "10.88.77.2");
        assert_eq!(subnet_beside(&all).1.unwrap().to_string(), "10.0.0.0/8");
        let one = routes(&["192.168.127.77/32"], &[]);
        assert_eq!(of(&one).v4.guest.to_string(), "10.88.77.2");
    }

    #[test]
    fn network_pitfalls_ipv6_without_a_route_there_is_no_address() {
        assert_eq!(of(&routes(&[], &["fe80::/64", "fd00::/8"])).v6, None);
        let v6 = of(&routes(&[], &["::/0"])).v6.unwrap();
        assert!(v6.guest.is_unique_local() && v6.guest != v6.gateway && v6.gateway != v6.host);
        assert_eq!(link("a", &routes(&[], &["::/0"]), None, None, Some(false)).v6, None);
        assert!(link("a", &routes(&[], &[]), None, None, Some(true)).v6.is_some());
    }

    #[test]
    fn network_pitfalls_copies_of_a_box_have_hardware_addresses_of_their_own() {
        let (a, b) = (mac("0123456789ab"), mac("0123456789ac"));
        assert_ne!(a, b);
        assert_eq!(a, mac("0123456789ab"));
        // Locally administered, and not a group's.
        assert_eq!((a[0] & 2, a[0] & 1), (2, 0));
    }

    #[test]
    fn network_pitfalls_mtu_it_is_1500_unless_set() {
        assert_eq!(of(&routes(&[], &[])).mtu, 1500);
        let small: Ipv4Net = "10.1.2.8/29".parse().unwrap();
        let link = link("a", &routes(&[], &[]), Some(small), Some(1380), None);
        assert_eq!((link.mtu, link.v4.prefix), (1380, 29));
        assert_eq!(
            [link.v4.gateway, link.v4.guest, link.v4.host].map(|address| address.octets()[3]),
            [9, 10, 14]
        );
    }
}
