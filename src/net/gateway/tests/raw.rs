//! Packets of a box that are made byte by byte, since no stack would write them.

use std::net::{IpAddr, SocketAddr};

use boxlite_spec::network::rule::Protocol;

use crate::gateway::{frame::SYN, reply};

/// The port of the box, which is an echo's ident.
const PORT: [u8; 2] = [0x10, 0];

/// A packet that begins something: a SYN, a datagram or an echo request, with data in it. Both addresses are of one family.
pub(super) fn packet(from: IpAddr, to: SocketAddr, protocol: Protocol, data: &[u8]) -> Vec<u8> {
    let port = to.port().to_be_bytes();
    let (number, header) = match protocol {
        Protocol::Tcp => {
            (6, [&PORT[..], &port, &[0, 0, 0, 1, 0, 0, 0, 0, 0x50, SYN, 0xff, 0xff, 0, 0, 0, 0]].concat())
        }
        Protocol::Udp => {
            let length = u16::try_from(8 + data.len()).unwrap().to_be_bytes();
            (17, [PORT, port, length, [0, 0]].concat())
        }
        Protocol::Icmp if from.is_ipv4() => (1, [[8, 0], [0, 0], PORT, [0, 1]].concat()),
        Protocol::Icmp => (58, [[128, 0], [0, 0], PORT, [0, 1]].concat()),
    };
    let message = [&header[..], data].concat();
    let mut packet = vec![0; if from.is_ipv4() { 20 } else { 40 } + message.len()];
    let length = u16::try_from(message.len()).unwrap();
    reply::ip(&mut packet, from, to.ip(), number, length).copy_from_slice(&message);
    packet
}
