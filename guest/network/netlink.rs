//! Requests to the kernel's routing over netlink (rtnetlink(7)), each answered before the next.
//!
//! Called by `link`, which knows what the requests mean.

use std::{
    io,
    os::fd::{AsRawFd as _, OwnedFd},
};

use nix::{
    errno::Errno,
    libc,
    sys::socket::{AddressFamily, MsgFlags, SockFlag, SockProtocol, SockType, recv, send, socket},
};

use crate::{Context as _, Result};

/// The length of `nlmsghdr`.
const HEADER: usize = 16;

/// A socket of `NETLINK_ROUTE`.
#[derive(Debug)]
pub(super) struct Netlink(OwnedFd);

impl Netlink {
    pub(super) fn open() -> Result<Self> {
        let (family, kind, flags) = (AddressFamily::Netlink, SockType::Raw, SockFlag::SOCK_CLOEXEC);
        let socket = socket(family, kind, flags, SockProtocol::NetlinkRoute);
        socket.map(Self).context(|| "open a netlink socket for the network")
    }

    /// Sends `request` and waits for the kernel's answer.
    pub(super) fn ask(&self, request: &Request) -> io::Result<()> {
        let bytes = request.encode();
        send(self.0.as_raw_fd(), &bytes, MsgFlags::empty())?;
        let mut answer = [0; 4096];
        let length = recv(self.0.as_raw_fd(), &mut answer, MsgFlags::empty())?;
        match acknowledgement(&answer[..length]) {
            None => Err(io::ErrorKind::InvalidData.into()),
            Some(0) => Ok(()),
            Some(errno) => Err(Errno::from_raw(errno).into()),
        }
    }
}

/// Returns the errno of an `NLMSG_ERROR` message, which is 0 for success.
fn acknowledgement(answer: &[u8]) -> Option<i32> {
    let kind = u16::from_ne_bytes(answer.get(4..6)?.try_into().ok()?);
    let status = i32::from_ne_bytes(answer.get(HEADER..HEADER + 4)?.try_into().ok()?);
    (i32::from(kind) == libc::NLMSG_ERROR).then_some(status.wrapping_neg())
}

/// One request, whose answer is an acknowledgement.
#[derive(Debug)]
pub(super) struct Request {
    kind: u16,
    flags: i32,
    body: Vec<u8>,
}

impl Request {
    /// A request of `kind` that changes what exists. `fixed` is the structure that the kind begins with.
    pub(super) fn change(kind: u16, fixed: &[u8]) -> Self {
        Self { kind, flags: 0, body: fixed.to_vec() }
    }

    /// As [`change`](Self::change), for what is made, in place of what exists.
    pub(super) fn make(kind: u16, fixed: &[u8]) -> Self {
        Self { kind, flags: libc::NLM_F_CREATE | libc::NLM_F_REPLACE, body: fixed.to_vec() }
    }

    /// Adds an attribute (`rtattr`).
    pub(super) fn with(mut self, attribute: u16, value: &[u8]) -> Self {
        let length = u16::try_from(4 + value.len()).unwrap_or(u16::MAX);
        self.body.extend(length.to_ne_bytes());
        self.body.extend(attribute.to_ne_bytes());
        self.body.extend(value);
        self.body.resize(self.body.len().next_multiple_of(4), 0);
        self
    }

    fn encode(&self) -> Vec<u8> {
        let length = u32::try_from(HEADER + self.body.len()).unwrap_or(u32::MAX);
        let flags = u16::try_from(libc::NLM_F_REQUEST | libc::NLM_F_ACK | self.flags).unwrap_or(0);
        let mut bytes = Vec::with_capacity(HEADER + self.body.len());
        bytes.extend(length.to_ne_bytes());
        bytes.extend(self.kind.to_ne_bytes());
        bytes.extend(flags.to_ne_bytes());
        // Sequence and sender: there is one request at a time, and the kernel knows the sender.
        bytes.extend([0; 8]);
        bytes.extend(&self.body);
        bytes
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_is_laid_out_as_the_kernel_reads_it() {
        let request = Request::make(libc::RTM_NEWADDR, &[2, 24, 2, 0, 7, 0, 0, 0]);
        let bytes =
            request.with(libc::IFA_LOCAL, &[192, 168, 127, 2]).with(libc::IFA_LABEL, b"eth0\0").encode();
        assert_eq!(bytes.len(), 16 + 8 + 8 + 12);
        assert_eq!(bytes[..4], 44_u32.to_ne_bytes());
        assert_eq!(bytes[4..6], 20_u16.to_ne_bytes());
        // REQUEST, ACK, CREATE, REPLACE.
        assert_eq!(bytes[6..8], 0x505_u16.to_ne_bytes());
        assert_eq!(bytes[24..28], [[8_u16, 2].map(u16::to_ne_bytes).concat()].concat());
        assert_eq!(bytes[28..32], [192, 168, 127, 2]);
        assert_eq!(bytes[32..36], [[9_u16, 3].map(u16::to_ne_bytes).concat()].concat());
        assert_eq!(&bytes[36..], b"eth0\0\0\0\0");
    }

    #[test]
    fn the_kernel_s_answer_is_read() {
        let netlink = Netlink::open().expect("a socket");
        // No interface has this index.
        let mut fixed = [0; 16];
        fixed[4..8].copy_from_slice(&i32::MAX.to_ne_bytes());
        let refused = netlink.ask(&Request::change(libc::RTM_NEWLINK, &fixed)).expect_err("no such device");
        let errno = refused.raw_os_error().map(Errno::from_raw);
        assert!(matches!(errno, Some(Errno::ENODEV | Errno::EPERM)), "{refused}");
        assert_eq!(acknowledgement(&[0; 10]), None);
    }
}
