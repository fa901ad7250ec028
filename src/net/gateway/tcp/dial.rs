//! Makes the host's side of a connection, directly or through the host's proxy. Called by `tcp` before the box's SYN is answered.

use std::{
    io,
    net::{IpAddr, SocketAddr},
    sync::Arc,
    time::Duration,
};

use socket2::{SockRef, TcpKeepalive};
use tokio::{io::AsyncWriteExt, net::TcpStream};

use crate::{
    decision::{Allowed, Destination},
    gateway::reply::Unreachable,
};

/// How long a connection may be idle before the host asks whether the other end is still there.
const KEEPALIVE: Duration = Duration::from_mins(1);
/// Most bytes of a proxy's answer.
const ANSWER_MAX: usize = 8 * 1024;

/// What becomes of a connection that could not be made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Failure {
    /// The other end refused: the box gets a reset.
    Refused,
    /// The box gets an ICMP message.
    Unreachable(Unreachable),
    /// The host has no descriptors or ports left: it is tried again.
    Exhausted,
}

impl From<&io::Error> for Failure {
    fn from(error: &io::Error) -> Self {
        const EMFILE: i32 = 24;
        const ENFILE: i32 = 23;
        match error.kind() {
            io::ErrorKind::NetworkUnreachable => Self::Unreachable(Unreachable::Network),
            io::ErrorKind::HostUnreachable | io::ErrorKind::TimedOut => Self::Unreachable(Unreachable::Host),
            io::ErrorKind::PermissionDenied => Self::Unreachable(Unreachable::Prohibited),
            io::ErrorKind::AddrNotAvailable | io::ErrorKind::OutOfMemory => Self::Exhausted,
            _ if matches!(error.raw_os_error(), Some(EMFILE | ENFILE)) => Self::Exhausted,
            _ => Self::Refused,
        }
    }
}

/// Connects. The caller bounds the time.
///
/// # Errors
/// What the box is to be told.
pub(super) async fn dial(
    to: Destination,
    allowed: Allowed,
    proxy: Option<Arc<str>>,
) -> Result<TcpStream, Failure> {
    let connected = match proxy {
        Some(proxy) if !is_own(allowed.dial.ip()) => through(&proxy, to, &allowed).await,
        _ => TcpStream::connect(allowed.dial).await,
    };
    let stream = connected.map_err(|error| Failure::from(&error))?;
    // The box decides itself when small segments wait.
    let _ = stream.set_nodelay(true);
    let _ = SockRef::from(&stream).set_tcp_keepalive(&TcpKeepalive::new().with_time(KEEPALIVE));
    Ok(stream)
}

/// The host itself is never reached through a proxy.
fn is_own(address: IpAddr) -> bool {
    address.is_loopback()
}

/// Connects through an HTTP proxy (RFC 9110, 9.3.6).
async fn through(proxy: &str, to: Destination, allowed: &Allowed) -> io::Result<TcpStream> {
    let authority = proxy.strip_prefix("http://").unwrap_or(proxy).trim_end_matches('/');
    let (credentials, authority) = match authority.rsplit_once('@') {
        Some((credentials, authority)) => (Some(credentials), authority),
        None => (None, authority),
    };
    let mut stream = TcpStream::connect(authority).await?;
    let target = match &allowed.name {
        Some(name) => format!("{name}:{}", to.port),
        None => SocketAddr::new(to.address, to.port).to_string(),
    };
    let mut request = format!("CONNECT {target} HTTP/1.1\r\nHost: {target}\r\n");
    if let Some(credentials) = credentials {
        request += "Proxy-Authorization: Basic ";
        request += &base64(credentials.as_bytes());
        request += "\r\n";
    }
    request += "\r\n";
    stream.write_all(request.as_bytes()).await?;
    if status(&stream).await? == 200 { Ok(stream) } else { Err(io::ErrorKind::ConnectionRefused.into()) }
}

/// Reads the head of a proxy's answer and not one byte more, since what follows is for the box. Returns its status.
async fn status(stream: &TcpStream) -> io::Result<u16> {
    let mut head = Vec::new();
    let mut seen = vec![0; ANSWER_MAX];
    while !head.ends_with(b"\r\n\r\n") {
        let count = stream.peek(&mut seen).await?;
        if count == 0 || head.len() >= ANSWER_MAX {
            return Err(io::ErrorKind::ConnectionRefused.into());
        }
        let joined = [&head[..], &seen[..count]].concat();
        let end = joined.windows(4).position(|four| four == b"\r\n\r\n").map_or(joined.len(), |at| at + 4);
        let wanted = end - head.len();
        let read = stream.try_read(&mut seen[..wanted])?;
        head.extend_from_slice(&seen[..read]);
    }
    let text = String::from_utf8_lossy(&head);
    let status = text.split(' ').nth(1).and_then(|status| status.parse().ok());
    status.ok_or_else(|| io::ErrorKind::InvalidData.into())
}

fn base64(bytes: &[u8]) -> String {
    const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut text = String::new();
    for three in bytes.chunks(3) {
        let bits = three.iter().fold(0_usize, |bits, byte| bits << 8 | usize::from(*byte))
            << (8 * (3 - three.len()));
        for at in 0..4 {
            let letter = char::from(ALPHABET[bits >> (18 - 6 * at) & 63]);
            text.push(if at <= three.len() { letter } else { '=' });
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use std::{
        io::{Read, Write},
        net::{Ipv4Addr, TcpListener},
        thread,
    };

    use boxlite_spec::network::rule::Protocol;

    use super::*;

    #[test]
    fn credentials_are_encoded() {
        for (plain, encoded) in
            [("", ""), ("u", "dQ=="), ("us", "dXM="), ("use", "dXNl"), ("user:pass", "dXNlcjpwYXNz")]
        {
            assert_eq!(base64(plain.as_bytes()), encoded);
        }
    }

    #[test]
    fn network_pitfalls_corporate_ca_proxy_the_hosts_proxy_is_asked_for_the_name() {
        let proxy = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let address = proxy.local_addr().unwrap();
        let served = thread::spawn(move || {
            let mut heads = Vec::new();
            for status in ["200 OK", "403 Forbidden"] {
                let (mut peer, _) = proxy.accept().unwrap();
                let (mut head, mut byte) = (Vec::new(), [0]);
                while !head.ends_with(b"\r\n\r\n") {
                    peer.read_exact(&mut byte).unwrap();
                    head.push(byte[0]);
                }
                peer.write_all(format!("HTTP/1.1 {status}\r\nA: b\r\n").as_bytes()).unwrap();
                thread::sleep(Duration::from_millis(20));
                peer.write_all(b"\r\nfirst").unwrap();
                heads.push(String::from_utf8(head).unwrap());
            }
            heads
        });
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let dialled = |proxy: &str, name: Option<&str>| {
            let address = [203, 0, 113, 7].into();
            let allowed = Allowed { dial: (address, 443).into(), name: name.map(Into::into), by_name: false };
            let to = Destination { protocol: Protocol::Tcp, address, port: 443 };
            runtime.block_on(dial(to, allowed, Some(proxy.into())))
        };
        let stream = dialled(&format!("http://u:p@{address}/"), Some("outside.test")).unwrap();
        let mut first = [0; 5];
        let read = runtime.block_on(async {
            let mut stream = stream;
            tokio::io::AsyncReadExt::read_exact(&mut stream, &mut first).await
        });
        assert_eq!((read.unwrap(), &first), (5, b"first"));
        assert_eq!(dialled(&format!("http://{address}"), None).unwrap_err(), Failure::Refused);
        assert_eq!(
            served.join().unwrap(),
            [
                "CONNECT outside.test:443 HTTP/1.1\r\nHost: outside.test:443\r\nProxy-Authorization: Basic dTpw\r\n\r\n",
                "CONNECT 203.0.113.7:443 HTTP/1.1\r\nHost: 203.0.113.7:443\r\n\r\n"
            ]
        );
        // It fails closed: without the proxy nothing leaves.
        assert_eq!(dialled("http://127.0.0.1:1", None).unwrap_err(), Failure::Refused);
    }

    #[test]
    fn network_pitfalls_rst_refused_is_rst_and_unreachable_is_icmp() {
        let failure = |kind: io::ErrorKind| Failure::from(&io::Error::from(kind));
        assert_eq!(failure(io::ErrorKind::ConnectionRefused), Failure::Refused);
        assert_eq!(failure(io::ErrorKind::NetworkUnreachable), Failure::Unreachable(Unreachable::Network));
        assert_eq!(failure(io::ErrorKind::HostUnreachable), Failure::Unreachable(Unreachable::Host));
        assert_eq!(Failure::from(&io::Error::from_raw_os_error(24)), Failure::Exhausted);
    }
}
