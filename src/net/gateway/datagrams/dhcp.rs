//! The DHCP server of the link (RFC 2131). The agent configures the box without it; it is for whoever asks, such as a network manager in
//! the box. There is one lease, for the one address. Called by `handler`.

use std::net::Ipv4Addr;

use boxlite_spec::network::LinkSpec;
use smoltcp::wire::{DhcpMessageType, DhcpOption, DhcpPacket, DhcpRepr, EthernetAddress};

use super::packet::Malformed;

/// The port of the server.
pub(crate) const SERVER: u16 = 67;
/// The port of the client.
pub(crate) const CLIENT: u16 = 68;

const LEASE_SECONDS: u32 = 24 * 60 * 60;
/// Most bytes of one option's value.
const VALUE_MAX: usize = 255;

const HOST_NAME: u8 = 12;
const DOMAIN_NAME: u8 = 15;
const MTU: u8 = 26;
const SEARCH: u8 = 119;

/// What a box is told by DHCP beside its addresses.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Lease {
    /// The name of the box, if it has one.
    pub hostname: Option<String>,
    /// The search domains. Those that don't fit into one option (255 bytes) are left out.
    pub search: Vec<String>,
}

/// An answer: its destination and the payload of the datagram.
pub(crate) type Answer = (Ipv4Addr, Vec<u8>);

/// Answers a DHCP message; some deserve no answer.
pub(crate) fn answer(payload: &[u8], link: &LinkSpec, lease: &Lease) -> Result<Option<Answer>, Malformed> {
    let packet = DhcpPacket::new_checked(payload)?;
    let request = DhcpRepr::parse(&packet)?;
    if request.client_hardware_address != EthernetAddress(link.mac) {
        return Err(Malformed);
    }
    let v4 = &link.v4;
    if request.server_identifier.is_some_and(|server| server != v4.gateway) {
        // The client has chosen another server.
        return Ok(None);
    }
    let own = |address: Ipv4Addr| address == v4.guest || address.is_unspecified();
    let wants_own = request.requested_ip.is_none_or(own) && own(request.client_ip);
    let kind = match request.message_type {
        DhcpMessageType::Discover => DhcpMessageType::Offer,
        DhcpMessageType::Request if wants_own => DhcpMessageType::Ack,
        DhcpMessageType::Request => DhcpMessageType::Nak,
        DhcpMessageType::Inform => DhcpMessageType::Ack,
        _ => return Ok(None),
    };
    let informs = request.message_type == DhcpMessageType::Inform;
    let to = if kind == DhcpMessageType::Nak || request.client_ip.is_unspecified() {
        Ipv4Addr::BROADCAST
    } else if request.client_ip == v4.guest {
        v4.guest
    } else {
        return Ok(None);
    };
    Ok(written(&request, kind, informs, link, lease).map(|payload| (to, payload)))
}

fn written(
    request: &DhcpRepr<'_>,
    kind: DhcpMessageType,
    informs: bool,
    link: &LinkSpec,
    lease: &Lease,
) -> Option<Vec<u8>> {
    let v4 = &link.v4;
    let refused = kind == DhcpMessageType::Nak;
    let (mtu, search) = (link.mtu.to_be_bytes(), search(&lease.search));
    let name = lease.hostname.as_deref().map(str::as_bytes);
    let domain = lease.search.first().map(String::as_bytes);
    let told = [(MTU, Some(&mtu[..])), (HOST_NAME, name), (DOMAIN_NAME, domain), (SEARCH, Some(&search[..]))];
    let options: Vec<_> = told
        .iter()
        .filter_map(|&(kind, data)| Some(DhcpOption { kind, data: data? }))
        .filter(|option| !refused && (1..=VALUE_MAX).contains(&option.data.len()))
        .collect();
    let mask = u32::MAX.checked_shl(32 - u32::from(v4.prefix.min(32))).unwrap_or(0);
    let answer = DhcpRepr {
        message_type: kind,
        transaction_id: request.transaction_id,
        secs: 0,
        client_hardware_address: request.client_hardware_address,
        client_ip: if refused { Ipv4Addr::UNSPECIFIED } else { request.client_ip },
        your_ip: if refused || informs { Ipv4Addr::UNSPECIFIED } else { v4.guest },
        server_ip: Ipv4Addr::UNSPECIFIED,
        router: (!refused).then_some(v4.gateway),
        subnet_mask: (!refused).then_some(Ipv4Addr::from_bits(mask)),
        relay_agent_ip: Ipv4Addr::UNSPECIFIED,
        broadcast: request.broadcast,
        requested_ip: None,
        client_identifier: None,
        server_identifier: Some(v4.gateway),
        parameter_request_list: None,
        dns_servers: (!refused).then(|| [v4.gateway].into_iter().collect()),
        max_size: None,
        lease_duration: (!refused && !informs).then_some(LEASE_SECONDS),
        renew_duration: None,
        rebind_duration: None,
        additional_options: &options,
    };
    let mut bytes = vec![0; answer.buffer_len()];
    answer.emit(&mut DhcpPacket::new_unchecked(&mut bytes)).ok()?;
    Some(bytes)
}

/// Search domains as one option (RFC 3397), uncompressed.
fn search(domains: &[String]) -> Vec<u8> {
    let mut value = Vec::new();
    for domain in domains {
        let mut name = Vec::new();
        for label in domain.split('.').filter(|label| !label.is_empty()) {
            // Longer ones can't be written, so that the name is left out.
            name.push(u8::try_from(label.len()).ok().filter(|&length| length < 64).unwrap_or(0));
            name.extend(label.as_bytes());
        }
        let fits = value.len() + name.len() < VALUE_MAX && !name.is_empty();
        if fits && domain.split('.').all(|label| label.len() < 64) {
            value.extend(name);
            value.push(0);
        }
    }
    value
}
