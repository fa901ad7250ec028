//! DHCP, with smoltcp's own parser as the second opinion.

use std::net::{Ipv4Addr, SocketAddr};

use smoltcp::wire::{DhcpMessageType, DhcpPacket, DhcpRepr, EthernetAddress, Ipv4Packet, UdpPacket};

use super::rig::{Choice, GATEWAY, GUEST, GUEST_MAC, Rig, udp};
use crate::gateway::datagrams::dhcp::Lease;

const EVERYBODY: Ipv4Addr = Ipv4Addr::BROADCAST;

fn message(kind: DhcpMessageType) -> DhcpRepr<'static> {
    DhcpRepr {
        message_type: kind,
        transaction_id: 0x1234_5678,
        secs: 0,
        client_hardware_address: EthernetAddress(GUEST_MAC),
        client_ip: Ipv4Addr::UNSPECIFIED,
        your_ip: Ipv4Addr::UNSPECIFIED,
        server_ip: Ipv4Addr::UNSPECIFIED,
        router: None,
        subnet_mask: None,
        relay_agent_ip: Ipv4Addr::UNSPECIFIED,
        broadcast: false,
        requested_ip: None,
        client_identifier: Some(EthernetAddress(GUEST_MAC)),
        server_identifier: None,
        parameter_request_list: Some(&[1, 3, 6, 26, 119]),
        dns_servers: None,
        max_size: Some(1500),
        lease_duration: None,
        renew_duration: None,
        rebind_duration: None,
        additional_options: &[],
    }
}

fn send(rig: &mut Rig, from: Ipv4Addr, to: Ipv4Addr, message: &DhcpRepr<'_>) {
    let mut payload = vec![0; message.buffer_len()];
    message.emit(&mut DhcpPacket::new_unchecked(&mut payload[..])).unwrap();
    rig.send(&udp(SocketAddr::new(from.into(), 68), SocketAddr::new(to.into(), 67), &payload));
}

/// The next answer's destination and payload.
async fn answer(rig: &mut Rig) -> Option<(Ipv4Addr, Vec<u8>)> {
    let packet = rig.packet().await?;
    let packet = Ipv4Packet::new_checked(&packet[..]).unwrap();
    assert_eq!(packet.src_addr(), GATEWAY);
    let datagram = UdpPacket::new_checked(packet.payload()).unwrap();
    assert!(datagram.verify_checksum(&packet.src_addr().into(), &packet.dst_addr().into()));
    assert_eq!((datagram.src_port(), datagram.dst_port()), (67, 68));
    Some((packet.dst_addr(), datagram.payload().to_vec()))
}

fn rig() -> Rig {
    let search = vec!["corp.example".into(), "example.com".into()];
    Rig::new(Choice { mtu: 1400, lease: Lease { hostname: Some("box".into()), search }, ..Choice::default() })
}

#[tokio::test]
async fn a_client_gets_the_addresses_of_the_link() {
    let mut rig = rig();
    send(&mut rig, Ipv4Addr::UNSPECIFIED, EVERYBODY, &message(DhcpMessageType::Discover));
    let request = DhcpRepr {
        requested_ip: Some(GUEST),
        server_identifier: Some(GATEWAY),
        ..message(DhcpMessageType::Request)
    };
    for expected in [DhcpMessageType::Offer, DhcpMessageType::Ack] {
        let (to, payload) = answer(&mut rig).await.unwrap();
        let packet = DhcpPacket::new_checked(&payload[..]).unwrap();
        let offer = DhcpRepr::parse(&packet).unwrap();
        assert_eq!((offer.message_type, offer.transaction_id, to), (expected, 0x1234_5678, EVERYBODY));
        assert_eq!((offer.your_ip, offer.server_identifier), (GUEST, Some(GATEWAY)));
        assert_eq!((offer.router, offer.subnet_mask), (Some(GATEWAY), Some([255, 255, 255, 0].into())));
        assert_eq!(offer.dns_servers.as_deref(), Some(&[GATEWAY][..]));
        assert!(offer.lease_duration > Some(3600));
        let option = |kind| packet.options().find(|option| option.kind == kind).map(|option| option.data);
        assert_eq!(option(26), Some(&1400_u16.to_be_bytes()[..]));
        assert_eq!((option(12), option(15)), (Some(&b"box"[..]), Some(&b"corp.example"[..])));
        assert_eq!(option(119), Some(&b"\x04corp\x07example\0\x07example\x03com\0"[..]));
        send(&mut rig, Ipv4Addr::UNSPECIFIED, EVERYBODY, &request);
    }
}

#[tokio::test]
async fn a_client_renews_and_informs_from_its_address() {
    let mut rig = rig();
    for (kind, address) in
        [(DhcpMessageType::Request, GUEST), (DhcpMessageType::Inform, Ipv4Addr::UNSPECIFIED)]
    {
        let renewal = DhcpRepr { client_ip: GUEST, ..message(kind) };
        send(&mut rig, GUEST, GATEWAY, &renewal);
        let (to, payload) = answer(&mut rig).await.unwrap();
        let packet = DhcpPacket::new_checked(&payload[..]).unwrap();
        let acknowledged = DhcpRepr::parse(&packet).unwrap();
        assert_eq!((acknowledged.message_type, to), (DhcpMessageType::Ack, GUEST));
        assert_eq!((acknowledged.your_ip, acknowledged.router), (address, Some(GATEWAY)));
    }
}

#[tokio::test]
async fn a_client_with_another_address_has_to_begin_anew() {
    let mut rig = rig();
    let other = Some([192, 168, 1, 5].into());
    let request = DhcpRepr { requested_ip: other, ..message(DhcpMessageType::Request) };
    send(&mut rig, Ipv4Addr::UNSPECIFIED, EVERYBODY, &request);
    let (_, payload) = answer(&mut rig).await.unwrap();
    let packet = DhcpPacket::new_checked(&payload[..]).unwrap();
    let refused = DhcpRepr::parse(&packet).unwrap();
    assert_eq!((refused.message_type, refused.your_ip), (DhcpMessageType::Nak, Ipv4Addr::UNSPECIFIED));
}

#[tokio::test]
async fn what_is_for_others_is_not_answered() {
    let mut rig = rig();
    let others =
        DhcpRepr { server_identifier: Some([10, 87, 0, 9].into()), ..message(DhcpMessageType::Request) };
    send(&mut rig, Ipv4Addr::UNSPECIFIED, EVERYBODY, &others);
    send(&mut rig, GUEST, GATEWAY, &message(DhcpMessageType::Release));
    assert_eq!(rig.dropped(), 0);
    let spoofed =
        DhcpRepr { client_hardware_address: EthernetAddress([2; 6]), ..message(DhcpMessageType::Discover) };
    send(&mut rig, Ipv4Addr::UNSPECIFIED, EVERYBODY, &spoofed);
    assert!(rig.is_silent().await);
    assert_eq!(rig.dropped(), 1);
}

#[tokio::test]
async fn search_domains_are_bounded() {
    let domains = |count: usize| (0..count).map(|i| format!("domain{i}.example.com")).collect();
    let odd = vec!["x".repeat(64), String::new(), ".".into(), "é.example".into()];
    for search in [domains(1000), odd] {
        let mut rig = Rig::new(Choice {
            lease: Lease { hostname: Some("x".repeat(300)), search },
            ..Choice::default()
        });
        send(&mut rig, Ipv4Addr::UNSPECIFIED, EVERYBODY, &message(DhcpMessageType::Discover));
        let (_, payload) = answer(&mut rig).await.unwrap();
        assert!(
            payload.len() < 1000 && DhcpRepr::parse(&DhcpPacket::new_checked(&payload[..]).unwrap()).is_ok()
        );
    }
}
