//! To which group an address belongs. Pure. Asked by `egress.rs` about every destination.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use boxlite_spec::network::rule::Group;

/// The addresses of metadata services: of AWS, GCP, Azure, `OpenStack` and most others; of containers and pods on AWS; of Azure's platform, Alibaba,
/// Oracle, Scaleway and Tencent.
const METADATA_V4: [Ipv4Addr; 8] = [
    Ipv4Addr::new(169, 254, 169, 254),
    Ipv4Addr::new(169, 254, 170, 2),
    Ipv4Addr::new(169, 254, 170, 23),
    Ipv4Addr::new(168, 63, 129, 16),
    Ipv4Addr::new(100, 100, 100, 200),
    Ipv4Addr::new(192, 0, 0, 192),
    Ipv4Addr::new(169, 254, 42, 42),
    Ipv4Addr::new(169, 254, 0, 23),
];

/// The same over IPv6: AWS, its pods, GCP, `OpenStack`, Scaleway.
const METADATA_V6: [Ipv6Addr; 5] = [
    Ipv6Addr::new(0xfd00, 0xec2, 0, 0, 0, 0, 0, 0x254),
    Ipv6Addr::new(0xfd00, 0xec2, 0, 0, 0, 0, 0, 0x23),
    Ipv6Addr::new(0xfd20, 0xce, 0, 0, 0, 0, 0, 0x254),
    Ipv6Addr::new(0xfe80, 0, 0, 0, 0, 0, 0xa9fe, 0xa9fe),
    Ipv6Addr::new(0xfd00, 0x42, 0, 0, 0, 0, 0, 0x42),
];

/// Networks that the internet does not route, with the length of their prefix (RFC 6890 and its successors): this network, private use, shared (CGNAT),
/// link-local, protocol assignments, benchmarks, multicast, reserved with broadcast. The documentation ranges are not among them.
const PRIVATE_V4: [(Ipv4Addr, u32); 10] = [
    (Ipv4Addr::UNSPECIFIED, 8),
    (Ipv4Addr::new(10, 0, 0, 0), 8),
    (Ipv4Addr::new(100, 64, 0, 0), 10),
    (Ipv4Addr::new(169, 254, 0, 0), 16),
    (Ipv4Addr::new(172, 16, 0, 0), 12),
    (Ipv4Addr::new(192, 0, 0, 0), 24),
    (Ipv4Addr::new(192, 168, 0, 0), 16),
    (Ipv4Addr::new(198, 18, 0, 0), 15),
    (Ipv4Addr::new(224, 0, 0, 0), 4),
    (Ipv4Addr::new(240, 0, 0, 0), 4),
];

/// The same for IPv6: NAT64 of local use, discard, benchmarks, segment routing, unique local, link-local, site-local, multicast.
const PRIVATE_V6: [(Ipv6Addr, u32); 8] = [
    (Ipv6Addr::new(0x64, 0xff9b, 1, 0, 0, 0, 0, 0), 48),
    (Ipv6Addr::new(0x100, 0, 0, 0, 0, 0, 0, 0), 64),
    (Ipv6Addr::new(0x2001, 2, 0, 0, 0, 0, 0, 0), 48),
    (Ipv6Addr::new(0x5f00, 0, 0, 0, 0, 0, 0, 0), 16),
    (Ipv6Addr::new(0xfc00, 0, 0, 0, 0, 0, 0, 0), 7),
    (Ipv6Addr::new(0xfe80, 0, 0, 0, 0, 0, 0, 0), 10),
    (Ipv6Addr::new(0xfec0, 0, 0, 0, 0, 0, 0, 0), 10),
    (Ipv6Addr::new(0xff00, 0, 0, 0, 0, 0, 0, 0), 8),
];

/// The names of metadata services that have names of their own.
const METADATA_NAMES: [&str; 6] = [
    "metadata",
    "metadata.google.internal",
    "metadata.goog",
    "instance-data",
    "instance-data.ec2.internal",
    "metadata.tencentyun.com",
];

/// Returns the group of an address. `is_host` says whether an address is one of the host's own beside its loopback. An IPv6 address that
/// carries an IPv4 address belongs to whichever of their groups is closed most tightly.
pub fn group_of(address: IpAddr, is_host: &dyn Fn(IpAddr) -> bool) -> Group {
    let address = address.to_canonical();
    let carried = carried(address).map(|v4| group_itself(v4.into(), is_host));
    carried.fold(group_itself(address, is_host), tighter)
}

/// Whether this is the name of a metadata service. `name` is in lower case.
pub(super) fn is_metadata_name(name: &str) -> bool {
    METADATA_NAMES.contains(&name)
}

/// The addresses of metadata services.
pub(super) fn metadata_addresses() -> impl Iterator<Item = IpAddr> {
    let v6 = METADATA_V6.into_iter().map(IpAddr::from);
    METADATA_V4.into_iter().map(IpAddr::from).chain(v6)
}

/// The IPv4 addresses that an IPv6 address carries, by which a tunnel or a translator on the way would send its packets on.
pub(super) fn carried(address: IpAddr) -> impl Iterator<Item = Ipv4Addr> {
    let from = |high: u16, low: u16| Ipv4Addr::from_bits((u32::from(high) << 16) | u32::from(low));
    let found = match address {
        IpAddr::V4(_) => [None, None],
        IpAddr::V6(v6) => match v6.segments() {
            // NAT64 (RFC 6052), 6to4 (RFC 3056), translated (RFC 2765).
            [0x64, 0xff9b, 0, 0, 0, 0, a, b] | [0x2002, a, b, ..] | [0, 0, 0, 0, 0xffff, 0, a, b] => {
                [Some(from(a, b)), None]
            }
            // NAT64 of local use (RFC 8215), where the network may be longer.
            [0x64, 0xff9b, 1, high, low, next, a, b] => {
                [Some(from(a, b)), Some(from(high, ((low & 0xff) << 8) | (next >> 8)))]
            }
            // Teredo (RFC 4380): the server, and the client with its bits inverted.
            [0x2001, 0, a, b, _, _, c, d] => [Some(from(a, b)), Some(from(!c, !d))],
            // Compatible (RFC 4291), except for `::` and `::1`.
            [0, 0, 0, 0, 0, 0, a, b] if (a, b) != (0, 0) && (a, b) != (0, 1) => [Some(from(a, b)), None],
            _ => [None, None],
        },
    };
    found.into_iter().flatten()
}

fn group_itself(address: IpAddr, is_host: &dyn Fn(IpAddr) -> bool) -> Group {
    let is_metadata = match address {
        IpAddr::V4(v4) => METADATA_V4.contains(&v4),
        IpAddr::V6(v6) => METADATA_V6.contains(&v6),
    };
    if is_metadata {
        return Group::Metadata;
    }
    // A connection to the unspecified address is one to the host's loopback.
    if address.is_loopback() || address.is_unspecified() || is_host(address) {
        return Group::Host;
    }
    let is_private = match address {
        IpAddr::V4(v4) => PRIVATE_V4.into_iter().any(|(net, length)| {
            let differing = v4.to_bits() ^ net.to_bits();
            differing.leading_zeros() >= length
        }),
        IpAddr::V6(v6) => PRIVATE_V6.into_iter().any(|(net, length)| {
            let differing = v6.to_bits() ^ net.to_bits();
            differing.leading_zeros() >= length
        }),
    };
    if is_private { Group::Private } else { Group::Public }
}

fn tighter(a: Group, b: Group) -> Group {
    let rank = |group| match group {
        Group::Public => 0,
        Group::Private => 1,
        Group::Host => 2,
        Group::Metadata => 3,
    };
    if rank(b) > rank(a) { b } else { a }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn group(text: &str) -> Group {
        let host: IpAddr = "203.0.113.9".parse().unwrap();
        group_of(text.parse().unwrap(), &|address| address == host)
    }

    /// Every way in which IPv6 carries an IPv4 address.
    fn carriers(v4: Ipv4Addr) -> Vec<Ipv6Addr> {
        let [a, b, c, d] = v4.octets();
        let (high, low) = (u16::from_be_bytes([a, b]), u16::from_be_bytes([c, d]));
        vec![
            Ipv6Addr::new(0x64, 0xff9b, 0, 0, 0, 0, high, low),
            Ipv6Addr::new(0x2002, high, low, 7, 0, 0, 0, 1),
            Ipv6Addr::new(0x2001, 0, high, low, 0, 0x1234, !0x0808, !0x0808),
            Ipv6Addr::new(0x2001, 0, 0x0808, 0x0808, 0, 0x1234, !high, !low),
            Ipv6Addr::new(0, 0, 0, 0, 0xffff, 0, high, low),
        ]
    }

    #[test]
    fn network_pitfalls_documentation_ranges_count_as_public() {
        for text in
            ["192.0.2.1", "198.51.100.7", "203.0.113.1", "2001:db8::1", "3fff::1", "1.1.1.1", "2606::1"]
        {
            assert_eq!(group(text), Group::Public, "{text}");
        }
    }

    #[test]
    fn network_pitfalls_metadata_private_in_every_guise() {
        for text in [
            "169.254.169.254",
            "169.254.170.2",
            "fd00:ec2::254",
            "100.100.100.200",
            "168.63.129.16",
            "::ffff:169.254.169.254",
            "64:ff9b::169.254.169.254",
            "64:ff9b:1::169.254.169.254",
            "64:ff9b:1:a9fe:a9:fe00::",
            "2002:a9fe:a9fe::1",
            "::169.254.169.254",
            "::ffff:0:169.254.169.254",
        ] {
            assert_eq!(group(text), Group::Metadata, "{text}");
        }
        for text in [
            "10.0.0.1",
            "172.31.255.255",
            "172.16.0.0",
            "192.168.1.1",
            "100.64.0.1",
            "100.127.255.255",
            "169.254.1.1",
            "224.0.0.251",
            "239.255.255.255",
            "255.255.255.255",
            "240.0.0.1",
            "0.1.2.3",
            "198.19.0.1",
            "fc00::1",
            "fdff::1",
            "fe80::1",
            "febf::1",
            "fec0::1",
            "ff02::fb",
            "64:ff9b::10.0.0.1",
            "::ffff:192.168.0.1",
        ] {
            assert_eq!(group(text), Group::Private, "{text}");
        }
        for text in
            ["172.32.0.1", "100.128.0.1", "11.0.0.1", "64:ff9b::8.8.8.8", "2002:808:808::1", "fb00::1"]
        {
            assert_eq!(group(text), Group::Public, "{text}");
        }
    }

    #[test]
    fn network_pitfalls_name_of_the_host_loopback_and_its_interfaces_are_one_group() {
        for text in [
            "127.0.0.1",
            "127.9.9.9",
            "::1",
            "0.0.0.0",
            "::",
            "203.0.113.9",
            "::ffff:127.0.0.1",
            "64:ff9b::7f00:1",
        ] {
            assert_eq!(group(text), Group::Host, "{text}");
        }
        assert_eq!(group("2002:cb00:7109::1"), Group::Host);
    }

    proptest! {
        #[test]
        fn an_ipv4_address_has_the_group_that_the_standard_library_says(bits: u32, near in 0usize..64) {
            // Half of all addresses are at the edge of a special network.
            let edges: Vec<u32> = PRIVATE_V4.iter().flat_map(|(net, length)| {
                let last = net.to_bits() | u32::MAX.checked_shr(*length).unwrap_or(0);
                [net.to_bits(), last, net.to_bits().wrapping_sub(1), last.wrapping_add(1)]
            }).collect();
            let v4 = Ipv4Addr::from_bits(edges.get(near).copied().unwrap_or(bits));
            let [a, b, c, _] = v4.octets();
            let expected = if METADATA_V4.contains(&v4) {
                Group::Metadata
            } else if v4.is_loopback() || v4.is_unspecified() {
                Group::Host
            } else if a == 0
                || v4.is_private()
                || v4.is_link_local()
                || v4.is_multicast()
                || v4.is_broadcast()
                || a >= 240
                || (a == 100 && b & 0xc0 == 64)
                || (a == 198 && b & 0xfe == 18)
                || (a, b, c) == (192, 0, 0)
            {
                Group::Private
            } else {
                Group::Public
            };
            prop_assert_eq!(group_of(v4.into(), &|_| false), expected);
            prop_assert_eq!(group_of(v4.to_ipv6_mapped().into(), &|_| false), expected);
        }

        #[test]
        fn no_guise_of_an_ipv4_address_is_open_wider(bits: u32, special in 0usize..32) {
            let known: Vec<Ipv4Addr> = METADATA_V4.into_iter().chain(PRIVATE_V4.map(|(net, _)| net)).chain([Ipv4Addr::LOCALHOST]).collect();
            let v4 = known.get(special).copied().unwrap_or(Ipv4Addr::from_bits(bits));
            let group = group_of(v4.into(), &|_| false);
            for guise in carriers(v4) {
                prop_assert_eq!(group_of(guise.into(), &|_| false), group, "{}", guise);
                prop_assert!(carried(guise.into()).any(|other| other == v4));
            }
        }

        #[test]
        fn an_address_of_the_host_is_never_public(bits: u128) {
            let host = IpAddr::from(Ipv6Addr::from_bits(bits)).to_canonical();
            let group = group_of(host, &|address| address == host);
            prop_assert!(group == Group::Host || group == Group::Metadata);
        }
    }
}
