//! Neighbour discovery of IPv6 (RFC 4861). Every address on the link is the gateway's but the box's own; the gateway is the router, and
//! gives no addresses (the box has its own from the agent). Called by `handler`.

use std::{
    net::{IpAddr, Ipv6Addr},
    time,
};

use boxlite_spec::network::{Addresses, LinkSpec};
use smoltcp::{
    time::Duration,
    wire::{
        EthernetAddress, Icmpv6Message, Icmpv6Packet, Icmpv6Repr, NdiscNeighborFlags, NdiscPrefixInfoFlags,
        NdiscPrefixInformation, NdiscRepr, NdiscRouterFlags,
    },
};

use super::packet::{Malformed, Packet};

/// For how long a router that was heard of is one.
const LIFETIME: time::Duration = time::Duration::from_mins(150);
const HOP_LIMIT: u8 = 64;
const ALL_NODES: Ipv6Addr = Ipv6Addr::new(0xff02, 0, 0, 0, 0, 0, 0, 1);

/// An answer: its source, its destination, and the message without its checksum.
pub(super) type Answer = (IpAddr, IpAddr, Vec<u8>);

/// The link-local address that a hardware address gives (RFC 4291, appendix A).
pub(super) fn link_local(mac: [u8; 6]) -> Ipv6Addr {
    let mut octets = [0xfe, 0x80, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xfe, 0, 0, 0];
    octets[8..11].copy_from_slice(&mac[..3]);
    octets[13..].copy_from_slice(&mac[3..]);
    octets[8] ^= 2;
    octets.into()
}

/// Whether a message is one of neighbour discovery.
pub(super) fn is_one(message: &[u8]) -> bool {
    message.first().is_some_and(|kind| (133..=137).contains(kind))
}

/// Answers a message; some deserve no answer.
pub(super) fn answer(
    packet: &Packet<'_>,
    link: &LinkSpec,
    mac: [u8; 6],
) -> Result<Option<Answer>, Malformed> {
    let (Some(v6), IpAddr::V6(from)) = (link.v6, packet.from) else { return Err(Malformed) };
    let message = Icmpv6Packet::new_checked(packet.message)?;
    // A message with fewer hops may come from elsewhere.
    if packet.hops != 255 || message.msg_code() != 0 {
        return Err(Malformed);
    }
    let gateway = link_local(mac);
    Ok(match message.msg_type() {
        Icmpv6Message::NeighborSolicit => {
            let target = message.target_addr();
            // Who has no address yet looks whether another has the one that it wants, and no other has.
            let ours = target == gateway || is_ours(target, &v6);
            (ours && !from.is_unspecified())
                .then(|| (target.into(), from.into(), written(&advertised(target, mac), target, from)))
        }
        Icmpv6Message::RouterSolicit => {
            let to = if from.is_unspecified() { ALL_NODES } else { from };
            Some((gateway.into(), to.into(), written(&router(link, &v6, mac), gateway, to)))
        }
        _ => None,
    })
}

/// Whether an address is on the link and not the box's.
fn is_ours(address: Ipv6Addr, v6: &Addresses<Ipv6Addr>) -> bool {
    let mask = u128::MAX.checked_shl(128 - u32::from(v6.prefix.min(128))).unwrap_or(0);
    address != v6.guest && (address.to_bits() ^ v6.guest.to_bits()) & mask == 0
}

fn advertised(target_addr: Ipv6Addr, mac: [u8; 6]) -> NdiscRepr<'static> {
    NdiscRepr::NeighborAdvert {
        flags: NdiscNeighborFlags::ROUTER | NdiscNeighborFlags::SOLICITED | NdiscNeighborFlags::OVERRIDE,
        target_addr,
        lladdr: Some(EthernetAddress(mac).into()),
    }
}

fn router(link: &LinkSpec, v6: &Addresses<Ipv6Addr>, mac: [u8; 6]) -> NdiscRepr<'static> {
    let mask = u128::MAX.checked_shl(128 - u32::from(v6.prefix.min(128))).unwrap_or(0);
    let lifetime: Duration = LIFETIME.into();
    NdiscRepr::RouterAdvert {
        hop_limit: HOP_LIMIT,
        flags: NdiscRouterFlags::empty(),
        router_lifetime: lifetime,
        reachable_time: Duration::ZERO,
        retrans_time: Duration::ZERO,
        lladdr: Some(EthernetAddress(mac).into()),
        mtu: Some(link.mtu.into()),
        prefix_info: Some(NdiscPrefixInformation {
            prefix_len: v6.prefix,
            flags: NdiscPrefixInfoFlags::ON_LINK,
            valid_lifetime: lifetime,
            preferred_lifetime: lifetime,
            prefix: Ipv6Addr::from_bits(v6.gateway.to_bits() & mask),
        }),
    }
}

fn written(message: &NdiscRepr<'_>, from: Ipv6Addr, to: Ipv6Addr) -> Vec<u8> {
    let message = Icmpv6Repr::Ndisc(*message);
    let mut bytes = vec![0; message.buffer_len()];
    let capabilities = smoltcp::phy::ChecksumCapabilities::ignored();
    message.emit(&from, &to, &mut Icmpv6Packet::new_unchecked(&mut bytes), &capabilities);
    bytes
}
