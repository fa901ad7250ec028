//! Messages and file descriptors over a sequenced-packet socket pair, for either side.
//!
//! The zygote's side (`serve`, `init`, `main_init`, `clone_init`) uses it blocking, the agent's (`connection`) behind tokio's readiness.
//! A message longer than a packet is sent as several packets in a row, the last of which carries its descriptors.

use std::{
    io::{IoSlice, IoSliceMut},
    os::fd::{AsFd, AsRawFd as _, BorrowedFd, FromRawFd as _, OwnedFd, RawFd},
    thread,
    time::Duration,
};

use nix::{
    cmsg_space,
    errno::Errno,
    sys::socket::{ControlMessage, ControlMessageOwned, MsgFlags, RecvMsg, recvmsg, sendmsg},
};
use prost::Message;

/// Most bytes in one packet, the leading flag not counted. This is well below the default socket buffer (208 KiB).
const PACKET: usize = 32 * 1024;

/// Most descriptors in one message: stdin, stdout, stderr.
const DESCRIPTORS: usize = 3;

/// More packets of the message follow.
const MORE: u8 = 1;
/// A message begins. A message before it that is not complete never will be.
const FIRST: u8 = 2;

/// Time between two tries to send while the kernel has no memory for it.
const AGAIN: Duration = Duration::from_millis(10);

/// Cuts an encoded message into packets. Each has a leading flag and bytes.
pub(super) fn packets(message: &[u8]) -> impl Iterator<Item = (u8, &[u8])> {
    let count = message.len().div_ceil(PACKET).max(1);
    (0..count).map(move |index| {
        let end = message.len().min((index + 1) * PACKET);
        let flags = if index == 0 { FIRST } else { 0 } | if index + 1 == count { 0 } else { MORE };
        (flags, message.get(index * PACKET..end).unwrap_or_default())
    })
}

/// Sends one packet. The last one of a message carries the descriptors.
pub(super) fn send_packet(
    socket: BorrowedFd<'_>,
    (flags, bytes): (u8, &[u8]),
    fds: &[RawFd],
) -> nix::Result<()> {
    let flag_byte = [flags];
    let parts = [IoSlice::new(&flag_byte), IoSlice::new(bytes)];
    let rights = [ControlMessage::ScmRights(fds)];
    let control = if flags & MORE == 0 && !fds.is_empty() { &rights[..] } else { &[] };
    sendmsg::<()>(socket.as_raw_fd(), &parts, control, MsgFlags::MSG_NOSIGNAL, None).map(drop)
}

/// Sends a whole message on a blocking socket.
pub(super) fn send(socket: BorrowedFd<'_>, message: &impl Message, fds: &[RawFd]) -> nix::Result<()> {
    let encoded = message.encode_to_vec();
    for packet in packets(&encoded) {
        while let Err(errno) = send_packet(socket, packet, fds) {
            match errno {
                Errno::EINTR => {}
                errno if is_shortage(errno) => thread::sleep(AGAIN),
                errno => return Err(errno),
            }
        }
    }
    Ok(())
}

/// Whether the kernel has no memory for a packet or too many descriptors in flight. Either is temporary.
pub(super) fn is_shortage(errno: Errno) -> bool {
    matches!(errno, Errno::ENOMEM | Errno::ENOBUFS | Errno::ETOOMANYREFS)
}

/// Assembles messages from packets.
#[derive(Debug)]
pub(super) struct Receiver {
    /// One packet, reused.
    packet: Box<[u8]>,
    /// The packets of a long message so far.
    partial: Vec<u8>,
}

/// What one `receive` brought.
#[derive(Debug)]
pub(super) enum Received<M> {
    /// A message and its descriptors.
    Message(M, Vec<OwnedFd>),
    /// A part of a long message. Call again.
    Partial,
    /// The other side has closed the socket.
    Closed,
}

impl Receiver {
    pub(super) fn new() -> Self {
        Self { packet: vec![0; PACKET + 1].into_boxed_slice(), partial: Vec::new() }
    }

    /// Receives a whole message on a blocking socket. `None` once the other side has closed it, or if that fails.
    pub(super) fn whole<M: Message + Default>(&mut self, socket: &OwnedFd) -> Option<(M, Vec<OwnedFd>)> {
        loop {
            match self.receive(socket) {
                Ok(Received::Message(message, fds)) => return Some((message, fds)),
                Ok(Received::Partial) | Err(Errno::EINTR) => {}
                Ok(Received::Closed) | Err(_) => return None,
            }
        }
    }

    /// Receives one packet. The error is `EBADMSG` if it can't be decoded.
    pub(super) fn receive<M: Message + Default>(&mut self, socket: impl AsFd) -> nix::Result<Received<M>> {
        let mut control = cmsg_space!([RawFd; DESCRIPTORS]);
        let mut parts = [IoSliceMut::new(&mut self.packet)];
        let socket = socket.as_fd().as_raw_fd();
        let received: RecvMsg<'_, '_, ()> =
            recvmsg(socket, &mut parts, Some(&mut control), MsgFlags::MSG_CMSG_CLOEXEC)?;
        let length = received.bytes;
        let fds = descriptors(&received)?;
        let Some((flags, bytes)) = self.packet.get(..length).and_then(<[u8]>::split_first) else {
            return Ok(Received::Closed);
        };
        if flags & FIRST != 0 {
            self.partial.clear();
        }
        if flags & MORE != 0 {
            self.partial.extend_from_slice(bytes);
            return Ok(Received::Partial);
        }
        let decoded = if self.partial.is_empty() {
            M::decode(bytes)
        } else {
            self.partial.extend_from_slice(bytes);
            // The buffer is freed at once: this side may be the zygote, which stays small.
            M::decode(std::mem::take(&mut self.partial).as_slice())
        };
        decoded.map(|message| Received::Message(message, fds)).map_err(|_| Errno::EBADMSG)
    }
}

#[allow(unsafe_code, reason = "descriptors from the kernel become owned ones")]
fn descriptors(received: &RecvMsg<'_, '_, ()>) -> nix::Result<Vec<OwnedFd>> {
    let mut fds = Vec::new();
    for message in received.cmsgs()? {
        if let ControlMessageOwned::ScmRights(raw) = message {
            // SAFETY: the kernel has just installed these descriptors for this message, and nothing else owns them.
            fds.extend(raw.into_iter().map(|fd| unsafe { OwnedFd::from_raw_fd(fd) }));
        }
    }
    Ok(fds)
}

#[cfg(test)]
mod tests {
    use boxlite_proto::v1::ContainerInitRequest;
    use nix::{
        sys::socket::{AddressFamily, SockFlag, SockType, socketpair},
        unistd::pipe,
    };

    use super::*;
    use crate::zygote::message::{Event, Reply};

    fn pair() -> (OwnedFd, OwnedFd) {
        socketpair(AddressFamily::Unix, SockType::SeqPacket, None, SockFlag::SOCK_CLOEXEC)
            .expect("socketpair")
    }

    fn long(size: usize) -> ContainerInitRequest {
        ContainerInitRequest { hostname: "x".repeat(size), ..ContainerInitRequest::default() }
    }

    #[test]
    fn a_long_message_arrives_whole_with_its_descriptors() {
        let (left, right) = pair();
        let (reader, writer) = pipe().expect("pipe");
        let message = long(100_000);
        send(left.as_fd(), &message, &[writer.as_raw_fd()]).expect("send");
        drop(writer);
        let mut receiver = Receiver::new();
        let (got, fds) = receiver.whole::<ContainerInitRequest>(&right).expect("receive");
        assert_eq!(got, message);
        nix::unistd::write(&fds[0], b"!").expect("the descriptor works");
        let mut byte = [0];
        assert_eq!(nix::unistd::read(&reader, &mut byte), Ok(1));
    }

    #[test]
    fn a_message_that_broke_off_is_none_of_the_next_one() {
        let (left, right) = pair();
        let broken = long(100_000).encode_to_vec();
        for packet in packets(&broken).take(2) {
            send_packet(left.as_fd(), packet, &[]).expect("send");
        }
        for size in [10, 50_000] {
            send(left.as_fd(), &long(size), &[]).expect("send");
        }
        let mut receiver = Receiver::new();
        for size in [10, 50_000] {
            let (got, _) = receiver.whole::<ContainerInitRequest>(&right).expect("receive");
            assert_eq!(got, long(size));
        }
    }

    #[test]
    fn the_end_of_the_other_side_is_seen() {
        let (left, right) = pair();
        send(left.as_fd(), &Reply { event: Some(Event::Ready(true)) }, &[]).expect("send");
        drop(left);
        let mut receiver = Receiver::new();
        assert!(matches!(receiver.receive::<Reply>(&right), Ok(Received::Message(..))));
        assert!(matches!(receiver.receive::<Reply>(&right), Ok(Received::Closed)));
    }
}
