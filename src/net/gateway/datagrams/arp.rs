//! Answers who asks by ARP for an address of the link (RFC 826): every one is the gateway's but the box's own. Called by `handler`.

use std::net::Ipv4Addr;

use boxlite_spec::network::LinkSpec;
use smoltcp::wire::{ArpOperation, ArpPacket, ArpRepr, EthernetAddress};

use super::packet::Malformed;

/// Answers an ARP message; some deserve no answer.
pub(super) fn answer(message: &[u8], link: &LinkSpec, mac: [u8; 6]) -> Result<Option<Vec<u8>>, Malformed> {
    let packet = ArpPacket::new_checked(message)?;
    let ArpRepr::EthernetIpv4 {
        operation,
        source_hardware_addr,
        source_protocol_addr,
        target_protocol_addr,
        ..
    } = ArpRepr::parse(&packet)?
    else {
        return Err(Malformed);
    };
    // Whoever looks for a conflict of addresses has none yet (RFC 5227).
    let own = source_protocol_addr == link.v4.guest || source_protocol_addr.is_unspecified();
    if !own || source_hardware_addr.0 != link.mac {
        return Err(Malformed);
    }
    if operation != ArpOperation::Request || !is_ours(target_protocol_addr, link) {
        return Ok(None);
    }
    let answer = ArpRepr::EthernetIpv4 {
        operation: ArpOperation::Reply,
        source_hardware_addr: EthernetAddress(mac),
        source_protocol_addr: target_protocol_addr,
        target_hardware_addr: source_hardware_addr,
        target_protocol_addr: source_protocol_addr,
    };
    let mut bytes = vec![0; answer.buffer_len()];
    answer.emit(&mut ArpPacket::new_unchecked(&mut bytes));
    Ok(Some(bytes))
}

/// Whether an address is on the link and not the box's.
fn is_ours(address: Ipv4Addr, link: &LinkSpec) -> bool {
    let mask = u32::MAX.checked_shl(32 - u32::from(link.v4.prefix.min(32))).unwrap_or(0);
    address != link.v4.guest && (address.to_bits() ^ link.v4.guest.to_bits()) & mask == 0
}
