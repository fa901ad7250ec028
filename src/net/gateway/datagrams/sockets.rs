//! The host's sockets for datagrams: UDP, and ICMP echo by a socket that needs no privilege (Linux allows it to the groups of the sysctl
//! `net.ipv4.ping_group_range`; macOS to all), else by a raw one, which root has. Called by `flows`.

use std::{
    io,
    net::{Ipv4Addr, Ipv6Addr, SocketAddr},
};

use socket2::{Domain, Protocol, SockRef, Socket, Type};
use tokio::net::UdpSocket;

use super::{super::checksum, errors::Why, flow::Kind};

/// The largest datagram that the host may receive, with its IP header if the socket is raw.
pub(super) const RECEIVED_MAX: usize = 65_535 + 60;

/// A socket that is bound to a free port or ident of the host, and is not connected.
#[derive(Debug)]
pub(super) struct HostSocket {
    /// The socket. tokio's type serves ICMP too, since the calls are the same.
    socket: UdpSocket,
    carries: Carries,
    v6: bool,
}

#[derive(Debug, Clone, Copy)]
enum Carries {
    Udp,
    /// Echo, of which the system sets and checks the ident.
    Echo,
    /// Every ICMP message of the host; ours have this ident.
    Raw(u16),
}

/// An error that the host's system learned of.
#[derive(Debug)]
pub(super) struct HostError {
    /// Where the datagram was sent.
    pub(super) peer: SocketAddr,
    /// Why it did not arrive.
    pub(super) why: Why,
}

impl HostSocket {
    /// Opens a socket, within a tokio runtime.
    ///
    /// # Errors
    /// If the system has none left, or does not allow it.
    pub(super) fn open(kind: Kind, v6: bool, ident: u16) -> io::Result<Self> {
        let domain = if v6 { Domain::IPV6 } else { Domain::IPV4 };
        let icmp = Some(if v6 { Protocol::ICMPV6 } else { Protocol::ICMPV4 });
        let (socket, carries) = match kind {
            Kind::Udp => (Socket::new(domain, Type::DGRAM, Some(Protocol::UDP))?, Carries::Udp),
            Kind::Echo => match Socket::new(domain, Type::DGRAM, icmp) {
                Ok(socket) => (socket, Carries::Echo),
                Err(_) => (Socket::new(domain, Type::RAW, icmp)?, Carries::Raw(ident)),
            },
        };
        socket.set_nonblocking(true)?;
        let any: SocketAddr = if v6 {
            socket.set_only_v6(true)?;
            (Ipv6Addr::UNSPECIFIED, 0).into()
        } else {
            (Ipv4Addr::UNSPECIFIED, 0).into()
        };
        socket.bind(&any.into())?;
        errors::wanted(&socket, v6)?;
        Ok(Self { socket: UdpSocket::from_std(socket.into())?, carries, v6 })
    }

    /// Sends a datagram: the payload of UDP, or an echo message from its ident on. It never waits.
    ///
    /// # Errors
    /// The system's, which may be about an earlier datagram.
    pub(super) fn send(&self, payload: &[u8], to: SocketAddr) -> io::Result<()> {
        let to = to.into();
        // Not by tokio's call, which fails until the socket has been polled.
        let socket = SockRef::from(&self.socket);
        match self.carries {
            Carries::Udp => socket.send_to(payload, &to)?,
            Carries::Echo => socket.send_to(&self.echo(None, payload), &to)?,
            Carries::Raw(ident) => socket.send_to(&self.echo(Some(ident), payload), &to)?,
        };
        Ok(())
    }

    fn echo(&self, ident: Option<u16>, payload: &[u8]) -> Vec<u8> {
        let mut message = vec![if self.v6 { 128 } else { 8 }, 0, 0, 0];
        message.extend(payload);
        if let Some((place, ident)) = message.get_mut(4..6).zip(ident) {
            place.copy_from_slice(&ident.to_be_bytes());
        }
        if !self.v6 {
            // The system does it for IPv6.
            let sum = checksum::of(&message);
            message[2..4].copy_from_slice(&sum);
        }
        message
    }

    /// Waits until there is something to receive or an error to be read.
    pub(super) async fn ready(&self) -> io::Result<tokio::io::Ready> {
        self.socket.ready(tokio::io::Interest::READABLE | tokio::io::Interest::ERROR).await
    }

    /// Receives a datagram. Returns its source and what it carries, in the form of [`send`](Self::send), or `None` for one that is not ours.
    ///
    /// # Errors
    /// [`io::ErrorKind::WouldBlock`] if there is none; else the system's, which is about an earlier datagram.
    pub(super) fn receive<'b>(&self, room: &'b mut [u8]) -> io::Result<(SocketAddr, Option<&'b [u8]>)> {
        let (length, from) = self.socket.try_recv_from(room)?;
        let bytes = room.get(..length).unwrap_or_default();
        // An IPv6 address that is not link-local has no scope; flow labels are nothing to us.
        let from = SocketAddr::new(from.ip(), from.port());
        Ok(match self.carries {
            Carries::Udp => (from, Some(bytes)),
            Carries::Echo => (SocketAddr::new(from.ip(), 0), self.replied(None, bytes)),
            Carries::Raw(ident) => (SocketAddr::new(from.ip(), 0), self.replied(Some(ident), bytes)),
        })
    }

    fn replied<'b>(&self, ident: Option<u16>, bytes: &'b [u8]) -> Option<&'b [u8]> {
        let message = match bytes.first()? {
            // Raw sockets, and all of macOS, have the IP header before it.
            first if !self.v6 && first >> 4 == 4 => bytes.get(usize::from(first & 15) * 4..)?,
            _ => bytes,
        };
        let [kind, code, _, _, high, low] = *message.first_chunk()?;
        let ours = ident.is_none_or(|ident| ident == u16::from_be_bytes([high, low]));
        (ours && code == 0 && kind == if self.v6 { 129 } else { 0 }).then(|| &message[4..])
    }

    /// Reads the next error that the system keeps for this socket.
    pub(super) fn take_error(&self) -> Option<HostError> {
        self.socket.try_io(tokio::io::Interest::ERROR, || errors::take(&self.socket)).ok()
    }
}

/// Linux tells for each datagram why it did not arrive (`IP_RECVERR`, ip(7)).
#[cfg(target_os = "linux")]
mod errors {
    use std::{
        io::{self, IoSliceMut},
        net::SocketAddr,
        os::fd::AsRawFd,
    };

    use nix::{
        cmsg_space,
        libc::{self, sock_extended_err, sockaddr_in6},
        sys::socket::{
            ControlMessageOwned, MsgFlags, SockaddrLike, SockaddrStorage, recvmsg, setsockopt,
            sockopt::{Ipv4RecvErr, Ipv6RecvErr},
        },
    };
    use socket2::Socket;
    use tokio::net::UdpSocket;

    use super::{HostError, Why};

    /// `SO_EE_ORIGIN_*` of `linux/errqueue.h`.
    const LOCAL: u8 = 1;
    const ICMP: u8 = 2;
    const ICMP6: u8 = 3;

    pub(super) fn wanted(socket: &Socket, v6: bool) -> io::Result<()> {
        Ok(if v6 { setsockopt(socket, Ipv6RecvErr, &true) } else { setsockopt(socket, Ipv4RecvErr, &true) }?)
    }

    pub(super) fn take(socket: &UdpSocket) -> io::Result<HostError> {
        loop {
            let mut sent = [0; 64];
            let mut parts = [IoSliceMut::new(&mut sent)];
            let mut control = cmsg_space!(sock_extended_err, sockaddr_in6);
            let flags = MsgFlags::MSG_ERRQUEUE | MsgFlags::MSG_DONTWAIT;
            let found =
                recvmsg::<SockaddrStorage>(socket.as_raw_fd(), &mut parts, Some(&mut control), flags)?;
            let why = found.cmsgs()?.find_map(|message| match message {
                ControlMessageOwned::Ipv4RecvErr(error, _) | ControlMessageOwned::Ipv6RecvErr(error, _) => {
                    why(&error)
                }
                _ => None,
            });
            if let Some((why, peer)) = why.zip(found.address.as_ref().and_then(address)) {
                return Ok(HostError { peer, why });
            }
        }
    }

    fn why(error: &sock_extended_err) -> Option<Why> {
        Some(match (error.ee_origin, error.ee_type, error.ee_code) {
            (LOCAL, ..) if error.ee_errno == libc::EMSGSIZE.cast_unsigned() => Why::TooBig(error.ee_info),
            (ICMP, 3, 3) | (ICMP6, 1, 4) => Why::Port,
            (ICMP, 3, 4) | (ICMP6, 2, _) => Why::TooBig(error.ee_info),
            (ICMP, 3, 0 | 6) | (ICMP6, 1, 0) => Why::Network,
            (ICMP, 3, 9 | 10 | 13) | (ICMP6, 1, 1) => Why::Prohibited,
            (ICMP, 3, _) | (ICMP6, 1, _) => Why::Host,
            _ => return None,
        })
    }

    fn address(address: &SockaddrStorage) -> Option<SocketAddr> {
        match address.family()? {
            nix::sys::socket::AddressFamily::Inet => {
                let v4 = address.as_sockaddr_in()?;
                Some(SocketAddr::new(v4.ip().into(), v4.port()))
            }
            nix::sys::socket::AddressFamily::Inet6 => {
                let v6 = address.as_sockaddr_in6()?;
                Some(SocketAddr::new(v6.ip().into(), v6.port()))
            }
            _ => None,
        }
    }
}

/// Other systems tell it to connected sockets only, so that the box waits for its own timeouts.
#[cfg(not(target_os = "linux"))]
mod errors {
    use std::io;

    use socket2::Socket;
    use tokio::net::UdpSocket;

    use super::HostError;

    #[expect(clippy::unnecessary_wraps, reason = "it can fail on Linux")]
    pub(super) fn wanted(_: &Socket, _: bool) -> io::Result<()> {
        Ok(())
    }

    pub(super) fn take(_: &UdpSocket) -> io::Result<HostError> {
        Err(io::ErrorKind::WouldBlock.into())
    }
}
