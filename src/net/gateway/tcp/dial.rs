//! Makes the host's side of a connection, directly or through the host's proxy. Called by `tcp` before the box's SYN is answered.

use std::{
    io,
    net::{IpAddr, SocketAddr},
    sync::Arc,
    time::Duration,
};

use base64::{Engine, prelude::BASE64_STANDARD};
use boxlite_spec::network::ProxySpec;
use socket2::{SockRef, TcpKeepalive};
use tokio::{io::AsyncWriteExt, net::TcpStream};

use super::bypass::is_direct;
use crate::{
    decision::{Allowed, Destination},
    gateway::reply::Unreachable,
};

/// How long a connection may be idle before the host asks whether the other end is still there.
const KEEPALIVE: Duration = Duration::from_mins(1);
/// Most bytes of a proxy's answer.
const ANSWER_MAX: usize = 8 * 1024;

/// What becomes of a connection that could not be made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Failure {
    /// The host's proxy refused, or can't be reached, for this reason: the box gets a reset, since nothing goes around a proxy.
    Proxy(String),
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
    proxy: Option<Arc<ProxySpec>>,
) -> Result<TcpStream, Failure> {
    let route = Route::new(to, &allowed, proxy.as_deref());
    let is_direct = matches!(route, Route::Direct(_));
    match route.connect(to, &allowed).await {
        Ok(stream) => Ok(stream),
        Err(error) if is_direct => Err(Failure::from(&error)),
        Err(error) => match Failure::from(&error) {
            Failure::Exhausted => Err(Failure::Exhausted),
            _ => Err(Failure::Proxy(error.to_string())),
        },
    }
}

/// Connects, with the system's or the proxy's own words for what fails.
///
/// # Errors
/// What the system or the host's proxy says.
pub(super) async fn connect(
    to: Destination,
    allowed: &Allowed,
    proxy: Option<&ProxySpec>,
) -> io::Result<TcpStream> {
    Route::new(to, allowed, proxy).connect(to, allowed).await
}

/// The way to a destination.
#[derive(Debug)]
pub(super) enum Route<'p> {
    /// To its address.
    Direct(SocketAddr),
    /// To the host's proxy.
    Proxy {
        /// Its name or address, with its port.
        authority: &'p str,
        /// What it is to be told of who asks.
        authorization: Option<String>,
    },
}

impl<'p> Route<'p> {
    /// Chooses.
    pub(super) fn new(to: Destination, allowed: &Allowed, proxy: Option<&'p ProxySpec>) -> Self {
        let proxy = proxy.filter(|proxy| {
            !is_own(allowed.dial.ip()) && !is_direct(&proxy.except, allowed.name.as_deref(), to.address)
        });
        let Some(proxy) = proxy else { return Self::Direct(allowed.dial) };
        let authority = proxy.url.strip_prefix("http://").unwrap_or(&proxy.url).trim_end_matches('/');
        let (credentials, authority) = match authority.rsplit_once('@') {
            Some((credentials, authority)) => (Some(credentials), authority),
            None => (None, authority),
        };
        let authorization =
            credentials.map(|credentials| format!("Basic {}", BASE64_STANDARD.encode(decoded(credentials))));
        Self::Proxy { authority, authorization }
    }

    /// Connects to the next hop on it.
    ///
    /// # Errors
    /// What the system says.
    pub(super) async fn open(&self) -> io::Result<TcpStream> {
        let stream = match self {
            Self::Direct(address) => TcpStream::connect(address).await?,
            Self::Proxy { authority, .. } => TcpStream::connect(authority).await.map_err(|error| {
                io::Error::new(
                    error.kind(),
                    format!("the host's proxy {authority} can't be reached: {error}"),
                )
            })?,
        };
        tune(&stream);
        Ok(stream)
    }

    async fn connect(&self, to: Destination, allowed: &Allowed) -> io::Result<TcpStream> {
        let stream = self.open().await?;
        match self {
            Self::Direct(_) => Ok(stream),
            Self::Proxy { authority, authorization } => {
                tunnel(stream, authority, authorization.as_deref(), to, allowed).await
            }
        }
    }
}

fn tune(stream: &TcpStream) {
    // The box decides itself when small segments wait.
    let _ = stream.set_nodelay(true);
    let _ = SockRef::from(stream).set_tcp_keepalive(&TcpKeepalive::new().with_time(KEEPALIVE));
}

/// The host itself is never reached through a proxy.
fn is_own(address: IpAddr) -> bool {
    address.is_loopback()
}

/// Asks an HTTP proxy for a tunnel (RFC 9110, 9.3.6).
async fn tunnel(
    mut stream: TcpStream,
    authority: &str,
    authorization: Option<&str>,
    to: Destination,
    allowed: &Allowed,
) -> io::Result<TcpStream> {
    let target = match &allowed.name {
        Some(name) => format!("{name}:{}", to.port),
        None => SocketAddr::new(to.address, to.port).to_string(),
    };
    let mut request = format!("CONNECT {target} HTTP/1.1\r\nHost: {target}\r\n");
    if let Some(authorization) = authorization {
        request += "Proxy-Authorization: ";
        request += authorization;
        request += "\r\n";
    }
    request += "\r\n";
    stream.write_all(request.as_bytes()).await?;
    match status(&stream).await? {
        200..300 => Ok(stream),
        status => {
            let text =
                format!("the host's proxy {authority} makes no tunnel to {target}: it answers {status}");
            Err(io::Error::new(io::ErrorKind::ConnectionRefused, text))
        }
    }
}

/// Credentials of a URL, whose special characters are written as `%40`.
fn decoded(text: &str) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((byte, after)) = rest.split_first() {
        let code = after.get(..2).filter(|_| *byte == b'%');
        let code = code.and_then(|code| u8::from_str_radix(std::str::from_utf8(code).ok()?, 16).ok());
        bytes.push(code.unwrap_or(*byte));
        rest = if code.is_some() { &after[2..] } else { after };
    }
    bytes
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
    fn credentials_are_decoded() {
        for (text, plain) in [("u:p", "u:p"), ("u%3a:p%40ss%", "u::p@ss%"), ("%zz%4", "%zz%4"), ("", "")] {
            assert_eq!(decoded(text), plain.as_bytes());
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
            let proxy = ProxySpec { url: proxy.into(), except: Vec::new() };
            runtime.block_on(dial(to, allowed, Some(proxy.into())))
        };
        let stream = dialled(&format!("http://u:p@{address}/"), Some("outside.test")).unwrap();
        let mut first = [0; 5];
        let read = runtime.block_on(async {
            let mut stream = stream;
            tokio::io::AsyncReadExt::read_exact(&mut stream, &mut first).await
        });
        assert_eq!((read.unwrap(), &first), (5, b"first"));
        let refused = dialled(&format!("http://{address}"), None).unwrap_err();
        let reason = format!("the host's proxy {address} makes no tunnel to 203.0.113.7:443: it answers 403");
        assert_eq!(refused, Failure::Proxy(reason));
        assert_eq!(
            served.join().unwrap(),
            [
                "CONNECT outside.test:443 HTTP/1.1\r\nHost: outside.test:443\r\nProxy-Authorization: Basic dTpw\r\n\r\n",
                "CONNECT 203.0.113.7:443 HTTP/1.1\r\nHost: 203.0.113.7:443\r\n\r\n"
            ]
        );
        // It fails closed: without the proxy nothing leaves.
        let unreached = dialled("http://127.0.0.1:1", None).unwrap_err();
        assert!(
            matches!(&unreached, Failure::Proxy(why) if why.contains("127.0.0.1:1 can't be reached")),
            "{unreached:?}"
        );
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
