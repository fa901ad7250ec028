//! `Segments`: TCP segments that are made from a few bytes of a sample, with numbers near those that are right, so that they get deep. Used by
//! the fuzz targets of frames (`hostile` and `hostile_link`); no part of a release.
#![allow(clippy::unwrap_used, reason = "a panic is what this is for")]

use std::net::SocketAddrV4;

use boxlite_spec::network::LinkSpec;

use super::frame::{self, Frame};

/// The first of the box's two ports.
const PORT: u16 = 1000;

/// Segments of two connections to one address.
pub(super) struct Segments {
    link: LinkSpec,
    to: SocketAddrV4,
    /// The next numbers of the box and of the other side, for each of two ports.
    numbers: [(u32, u32); 2],
}

impl Segments {
    /// For a box with this link.
    pub(super) fn new(link: &LinkSpec, to: SocketAddrV4) -> Self {
        Self { link: link.clone(), to, numbers: [(1, 0); 2] }
    }

    /// The start of a frame of IPv4.
    pub(super) fn header(&self) -> Vec<u8> {
        [&frame::GATEWAY_MAC[..], &self.link.mac, &frame::IPV4].concat()
    }

    /// What the next segment of a connection acknowledges.
    #[cfg(test)]
    pub(super) fn acknowledged(&self, which: usize) -> u32 {
        self.numbers[which].1
    }

    /// Makes the next frame; bit 1 of `kind` chooses the connection.
    pub(super) fn next(&mut self, kind: u8, bytes: &mut &[u8]) -> Option<Vec<u8>> {
        let [flags, sequence, acknowledged, window, options, length] =
            *bytes.split_off(..6)?.first_chunk()?;
        let payload = bytes.split_off(..usize::from(length).min(bytes.len()))?;
        let which = usize::from(kind >> 1 & 1);
        let (ours, theirs) = self.numbers[which];
        let near = |number: u32, by: u8| number.wrapping_add_signed(i32::from(by.cast_signed()));
        let (sequence, acknowledged) = (near(ours, sequence), near(theirs, acknowledged));
        let options = usize::from(options % 11) * 4;
        let port = PORT + u16::try_from(which).ok()?;
        let mut tcp = [&port.to_be_bytes()[..], &self.to.port().to_be_bytes()].concat();
        tcp.extend(sequence.to_be_bytes());
        tcp.extend(acknowledged.to_be_bytes());
        tcp.extend([u8::try_from(5 + options / 4).ok()? << 4, flags, window, window, 0, 0, 0, 0]);
        tcp.extend(payload.iter().chain(&[2; 40]).take(options.max(payload.len())));
        let total = u16::try_from(20 + tcp.len()).ok()?.to_be_bytes();
        let taken =
            payload.len().saturating_sub(options) + usize::from(flags & (frame::SYN | frame::FIN) != 0);
        if sequence == ours {
            self.numbers[which].0 = ours.wrapping_add(u32::try_from(taken).ok()?);
        }
        let mut ip = vec![0x45, 0, total[0], total[1], 0, 0, 0x40, 0, 64, 6, 0, 0];
        ip.extend(self.link.v4.guest.octets());
        ip.extend(self.to.ip().octets());
        let sum = super::checksum::of(&ip);
        ip[10..12].copy_from_slice(&sum);
        Some([self.header(), ip, tcp].concat())
    }

    /// Remembers the numbers of the other side, if this frame to the box is one of its segments.
    pub(super) fn learn(&mut self, sent: &[u8]) {
        // Seen from the other side, the frame is one from there.
        let mut link = self.link.clone();
        link.mac = frame::GATEWAY_MAC;
        link.v4.guest = *self.to.ip();
        let turned = [&frame::GATEWAY_MAC[..], &sent[6..]].concat();
        let Frame::Tcp(segment) = frame::read(&turned, &link) else { return };
        assert_eq!(segment.flow.to.ip(), self.link.v4.guest, "a segment to another box");
        let number = self.numbers.get_mut(usize::from(segment.flow.to.port().wrapping_sub(PORT)));
        if let Some((_, theirs)) = number {
            *theirs = segment.sequence.wrapping_add(segment.length);
        }
    }
}
