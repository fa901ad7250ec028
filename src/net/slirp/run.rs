//! `Run`: the thread of the backend. Frames go from the link through the gate and the filter to libslirp, and what that answers goes
//! back. Started by the backend; it ends when the backend stops it, or with the machine.

use std::{
    borrow::Cow,
    io,
    net::Ipv4Addr,
    os::{fd::AsRawFd as _, unix::net::UnixStream},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering::Relaxed},
    },
    time::Instant,
};

use boxlite_spec::network::{LinkSpec, control::Refusal, rule::Protocol};
use nix::libc;

use super::{
    gate::{Admitted, Gate},
    link::Link,
    stack::Stack,
};
use crate::{
    backend::Reports,
    gateway::{
        checksum,
        datagrams::{
            Lease, dhcp,
            packet::{self, ICMP, UDP},
        },
        frame::{self, ETHERNET, Frame},
        outgoing::{LENGTH, Outgoing},
        reply,
    },
    metrics::Counters,
    packet_filter::{Filtered, PacketFilter},
};

/// What the thread works with.
pub(super) struct Run {
    pub(super) link: Link,
    pub(super) addresses: LinkSpec,
    /// What DHCP tells besides.
    pub(super) lease: Lease,
    pub(super) gate: Gate,
    pub(super) filter: PacketFilter,
    pub(super) stack: Stack,
    pub(super) reports: Reports,
    /// Most connections at one time.
    pub(super) most: u32,
    /// Hangs up when the thread is to end.
    pub(super) stop: UnixStream,
    /// Set when the policy was replaced.
    pub(super) replaced: Arc<AtomicBool>,
}

impl Run {
    /// Serves until the end.
    pub(super) fn run(mut self) {
        // The machine is gone, or its link is broken: there is nobody left to serve, and nobody to tell.
        let _ended = self.serve();
    }

    fn serve(&mut self) -> io::Result<()> {
        // Frames to libslirp that the filter makes; they are not counted.
        let mut made = Outgoing::new(Arc::<Counters>::default());
        let mut waiting = false;
        loop {
            if self.replaced.swap(false, Relaxed) {
                self.stack.peers().forget();
            }
            let (room, empty) = {
                let mut out = self.stack.to_box();
                self.link.flush(&mut out)?;
                (out.has_room(), out.is_empty())
            };
            let wanted = if room { libc::POLLIN } else { 0 } | if empty { 0 } else { libc::POLLOUT };
            let own = [(self.stop.as_raw_fd(), libc::POLLIN), (self.link.fd(), wanted)];
            let [stop, link] = self.stack.wait(own, room, room && waiting)?;
            if stop != 0 {
                return Ok(());
            }
            if link & (libc::POLLIN | libc::POLLHUP | libc::POLLERR) != 0 && room {
                self.link.fill()?;
            }
            waiting = self.take_frames(&mut made)?;
        }
    }

    /// Takes the frames that have been read, as long as there is room for what comes of them. Returns whether there may be more.
    fn take_frames(&mut self, made: &mut Outgoing) -> io::Result<bool> {
        loop {
            if !self.stack.to_box().has_room() {
                return Ok(true);
            }
            let Some(frame) = self.link.next()? else { return Ok(false) };
            match self.gate.admit(frame, Instant::now()) {
                Admitted::Frame(frame) => {
                    let frame = match frame {
                        Cow::Borrowed(frame) => frame,
                        Cow::Owned(ref frame) => frame,
                    };
                    let filtered = self.filter.judge(frame, &mut self.stack.to_box(), made);
                    if filtered == Filtered::Passed
                        && admits(&self.stack, frame, &self.addresses, &self.reports, self.most)
                    {
                        self.stack.input(frame);
                    }
                    give(made, &self.stack);
                }
                Admitted::Arp(frame) => {
                    self.reports.counters.count_sent(frame.len());
                    self.stack.input(frame);
                }
                Admitted::Dhcp(message) => {
                    self.reports.counters.count_sent(message.len());
                    let answer = dhcp::answer(message, &self.addresses, &self.lease);
                    if let Ok(Some((to, answer))) = answer {
                        write_dhcp(&answer, to, &self.addresses, &mut self.stack.to_box());
                    }
                }
                Admitted::Part => {}
                Admitted::Nothing => {
                    self.reports.counters.count_sent(frame.len());
                    self.reports.counters.count_dropped();
                }
            }
        }
    }
}

/// Whether there may be one more connection, if the frame opens one. If not, it is answered by a reset, or dropped.
fn admits(stack: &Stack, frame: &[u8], link: &LinkSpec, reports: &Reports, most: u32) -> bool {
    let full = stack.open() >= most;
    let refuse = |address, port, protocol| {
        let rule = "limit".to_owned();
        reports.counters.count_refusal();
        reports.refusals.report(Refusal {
            address: Some(address),
            port,
            protocol,
            name: None,
            rule,
            count: 1,
        });
        false
    };
    if let Frame::Tcp(segment) = frame::read(frame, link) {
        if !full || !segment.opens() {
            return true;
        }
        reply::reset(&segment, link, &mut stack.to_box());
        return refuse(segment.flow.to.ip(), segment.flow.to.port(), Protocol::Tcp);
    }
    let Some(packet) = frame.get(ETHERNET..).and_then(packet::v4) else { return false };
    if packet.protocol == ICMP {
        return !full || refuse(packet.to, 0, Protocol::Icmp);
    }
    if stack.peers().knows(&packet, !full) || !full {
        return true;
    }
    let port = packet.message.get(2..4).map_or(0, |port| u16::from_be_bytes([port[0], port[1]]));
    refuse(packet.to, port, Protocol::Udp)
}

/// Gives libslirp the frames that the filter has made.
fn give(made: &mut Outgoing, stack: &Stack) {
    if made.is_empty() {
        return;
    }
    let bytes = made.slices(usize::MAX).iter().flat_map(|part| part.iter().copied()).collect::<Vec<_>>();
    made.consume(bytes.len());
    let mut rest = &bytes[..];
    while let Some((prefix, after)) = rest.split_first_chunk::<LENGTH>() {
        let length = usize::try_from(u32::from_be_bytes(*prefix)).unwrap_or(usize::MAX);
        let Some((frame, after)) = after.split_at_checked(length) else { break };
        stack.input(frame);
        rest = after;
    }
}

/// Writes an answer of the DHCP server.
fn write_dhcp(answer: &[u8], to: Ipv4Addr, link: &LinkSpec, out: &mut Outgoing) {
    const HEADERS: usize = ETHERNET + 20 + 8;
    let from = link.v4.gateway;
    let Ok(length) = u16::try_from(8 + answer.len()) else { return };
    let Some(frame) = out.push(HEADERS + answer.len()) else { return };
    let packet = reply::ethernet(frame, link, frame::IPV4);
    let datagram = reply::ip(packet, from.into(), to.into(), UDP, length);
    datagram[..2].copy_from_slice(&dhcp::SERVER.to_be_bytes());
    datagram[2..4].copy_from_slice(&dhcp::CLIENT.to_be_bytes());
    datagram[4..6].copy_from_slice(&length.to_be_bytes());
    datagram[6..8].fill(0);
    datagram[8..].copy_from_slice(answer);
    let sum = checksum::with_addresses(from.into(), to.into(), UDP, datagram);
    datagram[6..8].copy_from_slice(&sum);
}
