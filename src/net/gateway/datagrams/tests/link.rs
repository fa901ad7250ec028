//! ARP and neighbour discovery.

use std::net::{Ipv4Addr, Ipv6Addr};

use smoltcp::{
    phy::ChecksumCapabilities,
    wire::{
        ArpOperation, ArpPacket, ArpRepr, EthernetAddress, Icmpv6Packet, Icmpv6Repr, IpProtocol, Ipv6Packet,
        NdiscNeighborFlags, NdiscPrefixInfoFlags, NdiscRepr,
    },
};

use super::rig::{Choice, GATEWAY, GATEWAY6, GUEST, GUEST_MAC, GUEST6, HOST, Rig, ip};
use crate::gateway::{datagrams::Datagrams, frame::GATEWAY_MAC};

fn who_has(source: Ipv4Addr, target: Ipv4Addr) -> Vec<u8> {
    let repr = ArpRepr::EthernetIpv4 {
        operation: ArpOperation::Request,
        source_hardware_addr: EthernetAddress(GUEST_MAC),
        source_protocol_addr: source,
        target_hardware_addr: EthernetAddress([0; 6]),
        target_protocol_addr: target,
    };
    let mut frame = [&[0xff; 6], &GUEST_MAC[..], &[8, 6], &[0; 28]].concat();
    repr.emit(&mut ArpPacket::new_unchecked(&mut frame[14..]));
    frame
}

#[tokio::test]
async fn arp_every_address_of_the_link_is_the_gateways_but_the_boxs_own() {
    let mut rig = Rig::new(Choice::default());
    for target in [GATEWAY, HOST, [10, 87, 0, 77].into()] {
        rig.handler.handle(&who_has(GUEST, target));
        let frame = rig.frame().await.unwrap();
        assert_eq!(frame[12..14], [8, 6]);
        let expected = ArpRepr::EthernetIpv4 {
            operation: ArpOperation::Reply,
            source_hardware_addr: EthernetAddress(GATEWAY_MAC),
            source_protocol_addr: target,
            target_hardware_addr: EthernetAddress(GUEST_MAC),
            target_protocol_addr: GUEST,
        };
        assert_eq!(ArpRepr::parse(&ArpPacket::new_checked(&frame[14..]).unwrap()), Ok(expected));
    }
    // Its own, that of a probe for it (RFC 5227) and one of another link.
    for (source, target) in [(GUEST, GUEST), (Ipv4Addr::UNSPECIFIED, GUEST), (GUEST, [10, 88, 0, 1].into())] {
        rig.handler.handle(&who_has(source, target));
    }
    assert!(rig.is_silent().await);
    assert_eq!(rig.dropped(), 0);
    rig.handler.handle(&who_has([10, 87, 0, 9].into(), GATEWAY));
    assert_eq!(rig.dropped(), 1, "one from a foreign address");
}

fn neighbour(from: Ipv6Addr, to: Ipv6Addr, message: NdiscRepr<'_>, hops: u8) -> Vec<u8> {
    let message = Icmpv6Repr::Ndisc(message);
    let mut bytes = vec![0; message.buffer_len()];
    let sums = ChecksumCapabilities::default();
    message.emit(&from, &to, &mut Icmpv6Packet::new_unchecked(&mut bytes), &sums);
    let mut packet = ip(from.into(), to.into(), IpProtocol::Icmpv6, &bytes);
    packet[7] = hops;
    packet
}

fn solicited(target_addr: Ipv6Addr) -> NdiscRepr<'static> {
    NdiscRepr::NeighborSolicit { target_addr, lladdr: Some(EthernetAddress(GUEST_MAC).into()) }
}

fn local(last: u16) -> Ipv6Addr {
    Ipv6Addr::new(0xfe80, 0, 0, 0, 0, 0, 0, last)
}

async fn answer(rig: &mut Rig) -> Option<(Ipv6Addr, Ipv6Addr, Vec<u8>)> {
    let packet = rig.packet().await?;
    let packet = Ipv6Packet::new_checked(&packet[..]).unwrap();
    let (from, to) = (packet.src_addr(), packet.dst_addr());
    let message = Icmpv6Packet::new_checked(packet.payload()).unwrap();
    assert!(message.verify_checksum(&from, &to));
    assert_eq!(packet.hop_limit(), 255);
    Some((from, to, packet.payload().to_vec()))
}

#[tokio::test]
async fn neighbours_are_the_gateway() {
    let mut rig = Rig::new(Choice::default());
    let gateway_local = "fe80::5894:efff:fee4:cdd".parse().unwrap();
    for (from, target) in
        [(GUEST6, GATEWAY6), (local(9), gateway_local), (GUEST6, "fd87::99".parse().unwrap())]
    {
        rig.send(&neighbour(from, "ff02::1:ff00:1".parse().unwrap(), solicited(target), 255));
        let (answerer, to, message) = answer(&mut rig).await.unwrap();
        assert_eq!((answerer, to), (target, from));
        let expected = NdiscRepr::NeighborAdvert {
            flags: NdiscNeighborFlags::ROUTER | NdiscNeighborFlags::SOLICITED | NdiscNeighborFlags::OVERRIDE,
            target_addr: target,
            lladdr: Some(EthernetAddress(GATEWAY_MAC).into()),
        };
        assert_eq!(NdiscRepr::parse(&Icmpv6Packet::new_checked(&message[..]).unwrap()), Ok(expected));
    }
}

#[tokio::test]
async fn network_pitfalls_ipv6_tentative_addresses_of_the_box_are_not_contested() {
    let mut rig = Rig::new(Choice::default());
    for target in [GUEST6, local(9)] {
        let group = "ff02::1:ff00:2".parse().unwrap();
        rig.send(&neighbour(Ipv6Addr::UNSPECIFIED, group, solicited(target), 255));
    }
    assert!(rig.is_silent().await);
    assert_eq!(rig.dropped(), 0);
    // What may come from another link is none.
    rig.send(&neighbour(GUEST6, GATEWAY6, solicited(GATEWAY6), 254));
    assert!(rig.is_silent().await);
    assert_eq!(rig.dropped(), 1);
}

#[tokio::test]
async fn the_router_is_told_without_an_address() {
    let mut rig = Rig::new(Choice { mtu: 1400, ..Choice::default() });
    let all_nodes = "ff02::1".parse().unwrap();
    for (from, expected) in [(local(9), local(9)), (Ipv6Addr::UNSPECIFIED, all_nodes)] {
        let solicitation = NdiscRepr::RouterSolicit { lladdr: None };
        rig.send(&neighbour(from, "ff02::2".parse().unwrap(), solicitation, 255));
        let (router, to, message) = answer(&mut rig).await.unwrap();
        assert_eq!((router, to), ("fe80::5894:efff:fee4:cdd".parse().unwrap(), expected));
        let message = NdiscRepr::parse(&Icmpv6Packet::new_checked(&message[..]).unwrap()).unwrap();
        let NdiscRepr::RouterAdvert { flags, router_lifetime, mtu, prefix_info: Some(prefix), .. } = message
        else {
            panic!("{message:?}")
        };
        assert!(flags.is_empty() && router_lifetime.secs() > 0);
        assert_eq!((mtu, prefix.prefix, prefix.prefix_len), (Some(1400), "fd87::".parse().unwrap(), 64));
        assert_eq!(prefix.flags, NdiscPrefixInfoFlags::ON_LINK);
    }
}

#[tokio::test]
async fn reports_of_groups_are_nothing_to_drop() {
    let mut rig = Rig::new(Choice::default());
    // Hop-by-hop options with a router alert, then MLDv2 (RFC 3810).
    let message = [&[58, 0, 5, 2, 0, 0, 1, 0][..], &[143, 0, 0, 0, 0, 0, 0, 0]].concat();
    let packet = ip(local(9).into(), "ff02::16".parse().unwrap(), IpProtocol::HopByHop, &message);
    rig.send(&packet);
    assert!(rig.is_silent().await);
    assert_eq!(rig.dropped(), 0);
}
