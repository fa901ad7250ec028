//! smoltcp's device: one packet from the box, and the frames that wait for the link. It adds the Ethernet header and the checksum of TCP.
//! Called by `stack.rs`.

use std::{
    net::{IpAddr, Ipv4Addr, Ipv6Addr},
    num::NonZeroUsize,
};

use boxlite_spec::network::LinkSpec;
use smoltcp::{
    phy::{self, Checksum, ChecksumCapabilities, DeviceCapabilities, Medium, SegmentationCapabilities},
    time::Instant,
};

use super::{
    checksum,
    frame::{self, ETHERNET},
    outgoing::Outgoing,
    reply,
};

const TCP: u8 = 6;

/// The largest IP packet that the box's driver takes in one frame.
const PACKET_MAX: usize = 65_535;

/// A device for one call of smoltcp.
#[derive(Debug)]
pub(super) struct Device<'a> {
    link: &'a LinkSpec,
    offload: bool,
    packet: Option<&'a [u8]>,
    out: &'a mut Outgoing,
    full: bool,
}

impl<'a> Device<'a> {
    /// A device that receives `packet`.
    pub(super) fn new(
        link: &'a LinkSpec,
        offload: bool,
        packet: Option<&'a [u8]>,
        out: &'a mut Outgoing,
    ) -> Self {
        Self { link, offload, packet, out, full: false }
    }

    /// Whether something could not be sent, since the link is full.
    pub(super) fn was_full(&self) -> bool {
        self.full
    }
}

impl phy::Device for Device<'_> {
    type RxToken<'t>
        = Received<'t>
    where
        Self: 't;
    type TxToken<'t>
        = Sent<'t>
    where
        Self: 't;

    fn receive(&mut self, _: Instant) -> Option<(Received<'_>, Sent<'_>)> {
        let packet = self.packet.take()?;
        // The answer may use the reserve.
        Some((Received(packet), Sent { link: self.link, out: self.out }))
    }

    fn transmit(&mut self, _: Instant) -> Option<Sent<'_>> {
        self.full = !self.out.has_room();
        (!self.full).then_some(Sent { link: self.link, out: self.out })
    }

    fn capabilities(&self) -> DeviceCapabilities {
        let mut this = DeviceCapabilities::default();
        this.medium = Medium::Ip;
        this.max_transmission_unit = usize::from(self.link.mtu);
        // Bytes are not damaged on a socket, and the box may leave checksums to its device.
        this.checksum = ChecksumCapabilities::ignored();
        this.checksum.ipv4 = Checksum::Both;
        if self.offload {
            // smoltcp 0.14 loses a packet of IPv6 over this size even where the device divides it (`dispatch_ip`), so that the size is that of the
            // largest. How much is in a segment is still bounded by what the box takes, which its SYN tells.
            this.max_transmission_unit = PACKET_MAX;
            let most = NonZeroUsize::new(PACKET_MAX);
            this.segmentation = SegmentationCapabilities::default();
            (this.segmentation.tcpv4, this.segmentation.tcpv6) = (most, most);
        }
        this
    }
}

/// The one packet.
#[derive(Debug)]
pub(super) struct Received<'a>(&'a [u8]);

impl phy::RxToken for Received<'_> {
    fn consume<R, F: FnOnce(&[u8]) -> R>(self, read: F) -> R {
        read(self.0)
    }
}

/// Room for one packet.
#[derive(Debug)]
pub(super) struct Sent<'a> {
    link: &'a LinkSpec,
    out: &'a mut Outgoing,
}

impl phy::TxToken for Sent<'_> {
    fn consume<R, F: FnOnce(&mut [u8]) -> R>(self, length: usize, write: F) -> R {
        // Whoever hands out a token has seen that there is room. Without it, the packet is lost, as on any link.
        let mut lost = Vec::new();
        let frame = self.out.push(ETHERNET + length).unwrap_or_else(|| {
            lost.resize(ETHERNET + length, 0);
            &mut lost
        });
        let result = write(&mut frame[ETHERNET..]);
        finish(frame, self.link);
        result
    }
}

/// Writes what smoltcp does not: the Ethernet header and the checksum of TCP.
fn finish(frame: &mut [u8], link: &LinkSpec) {
    let is_v4 = frame[ETHERNET] >> 4 == 4;
    let packet = reply::ethernet(frame, link, if is_v4 { frame::IPV4 } else { frame::IPV6 });
    let (header, protocol, from, to): (_, _, IpAddr, IpAddr) = if is_v4 {
        let address = |at: usize| Ipv4Addr::new(packet[at], packet[at + 1], packet[at + 2], packet[at + 3]);
        (usize::from(packet[0] & 15) * 4, packet[9], address(12).into(), address(16).into())
    } else {
        let address =
            |at: usize| Ipv6Addr::from(<[u8; 16]>::try_from(&packet[at..at + 16]).unwrap_or_default());
        (40, packet[6], address(8).into(), address(24).into())
    };
    if protocol == TCP {
        let message = &mut packet[header..];
        message[16..18].fill(0);
        let sum = checksum::with_addresses(from, to, TCP, message);
        message[16..18].copy_from_slice(&sum);
    }
}
