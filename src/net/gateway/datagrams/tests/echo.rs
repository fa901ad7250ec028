//! ICMP echo.

use std::net::{IpAddr, SocketAddr};

use smoltcp::wire::IpProtocol;

use super::rig::{Choice, GATEWAY, GATEWAY6, OUTSIDE, OUTSIDE6, Rig, divided, guest, ip, refused};
use crate::gateway::datagrams::{flow::Kind, lives::Lives, sockets::HostSocket};

fn ping(to: IpAddr, ident: u16, data: &[u8]) -> Vec<u8> {
    let (kind, protocol) = if to.is_ipv4() { (8, IpProtocol::Icmp) } else { (128, IpProtocol::Icmpv6) };
    let message = [&[kind, 0, 0, 0][..], &ident.to_be_bytes(), &[0, 1], data].concat();
    ip(guest(0, SocketAddr::new(to, 0)).ip(), to, protocol, &message)
}

fn replied(to: IpAddr) -> (u8, u8) {
    if to.is_ipv4() { (0, 0) } else { (129, 0) }
}

#[tokio::test]
async fn network_pitfalls_ping_the_gateway_answers_for_itself() {
    let mut rig = Rig::new(Choice::default());
    rig.says(refused);
    for gateway in [GATEWAY.into(), GATEWAY6.into()] {
        rig.send(&ping(gateway, 77, b"data"));
        let expected = [&77_u16.to_be_bytes()[..], &[0, 1], b"data"].concat();
        assert_eq!(rig.icmp().await.unwrap(), (gateway, replied(gateway), expected));
    }
    assert_eq!(rig.handler.flows.open(), (0, 0));
}

/// Where the host allows neither kind of socket, the refusal is what is tested.
#[tokio::test]
async fn network_pitfalls_ping_others_get_the_echo_and_idents_are_mapped() {
    let mut rig = Rig::new(Choice::default());
    for outside in [IpAddr::from(OUTSIDE), OUTSIDE6.into()] {
        let allowed = HostSocket::open(Kind::Echo, outside.is_ipv6(), 1).is_ok();
        for ident in [77, 78] {
            rig.send(&ping(outside, ident, b"data"));
            let (from, kind, rest) = rig.icmp().await.unwrap();
            if allowed {
                let expected = [&ident.to_be_bytes()[..], &[0, 1], b"data"].concat();
                assert_eq!((from, kind, rest), (outside, replied(outside), expected));
            } else {
                assert_eq!(kind, if outside.is_ipv4() { (3, 13) } else { (1, 1) });
            }
        }
        if !allowed {
            assert_eq!(rig.refusals.try_recv().unwrap().rule, "unsupported");
        }
    }
}

#[tokio::test]
async fn network_pitfalls_ping_large_ones_are_put_together_and_divided() {
    let mut rig = Rig::new(Choice::default());
    for packet in divided(&ping(GATEWAY.into(), 77, &[7; 4000]), 1500) {
        rig.send(&packet);
    }
    let mut bytes = 0;
    while bytes < 8 + 4000 {
        bytes += rig.packet().await.unwrap().len() - 20;
    }
    assert_eq!(bytes, 8 + 4000);
    assert!(rig.is_silent().await);
}

#[tokio::test]
async fn network_pitfalls_ping_is_asked_of_the_policy() {
    let mut rig = Rig::new(Choice::default());
    rig.says(refused);
    rig.send(&ping(OUTSIDE.into(), 77, b"data"));
    assert_eq!(rig.icmp().await.unwrap().1, (3, 13));
    let refusal = rig.refusals.try_recv().unwrap();
    assert_eq!((refusal.port, refusal.protocol.as_str(), &refusal.rule[..]), (0, "icmp", "default"));
}

#[tokio::test]
async fn network_pitfalls_ping_sockets_are_bounded() {
    let lives = Lives { most_echoes: 4, ..Lives::default() };
    let mut rig = Rig::new(Choice { lives, ..Choice::default() });
    for ident in 0..100 {
        rig.send(&ping(OUTSIDE.into(), ident, b"data"));
    }
    assert!(rig.handler.flows.open().1 <= 4);
}

#[tokio::test]
async fn network_pitfalls_ping_nobody_asked_for_an_answer() {
    let mut rig = Rig::new(Choice::default());
    let reply = [0, 0, 0, 0, 0, 1, 0, 1];
    rig.send(&ip(guest(0, (OUTSIDE, 0).into()).ip(), OUTSIDE.into(), IpProtocol::Icmp, &reply));
    rig.send(&ping([10, 87, 0, 255].into(), 1, b""));
    rig.send(&ping("ff02::1".parse().unwrap(), 1, b""));
    assert!(rig.is_silent().await);
    assert_eq!(rig.dropped(), 3);
}
