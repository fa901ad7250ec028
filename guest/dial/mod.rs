//! The dialer: connects streams of the host to ports in the box, so that services on the box's own loopback are reached, with or
//! without a network. The container shares the agent's network.
//!
//! Called by `transport`, through the services' `Server`, for every stream that begins with [`DIAL`]. What is sent is described in
//! `wire/dial.rs`.

mod datagrams;
mod pump;

use std::{
    io,
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr},
    sync::Arc,
    time::Duration,
};

use boxlite_wire::{
    dial::{DIALS, REQUEST, Request},
    port::DIAL,
};
use nix::{errno::Errno, ifaddrs::getifaddrs, net::if_::InterfaceFlags};
use tokio::{
    io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _},
    net::TcpStream,
    sync::Semaphore,
    time::timeout,
};

/// How long the host may take to say what it wants.
const GREETING: Duration = Duration::from_secs(5);

/// How long a connection may take whose request names no time.
const CONNECT: Duration = Duration::from_secs(10);

/// The dialer. Clones share its bound of connections.
#[derive(Debug, Clone)]
pub struct Dialer(Arc<Semaphore>);

impl Default for Dialer {
    fn default() -> Self {
        Self(Arc::new(Semaphore::new(DIALS)))
    }
}

impl Dialer {
    /// Serves one stream of the host to its end. It waits while there are [`DIALS`] others.
    pub async fn serve<S: AsyncRead + AsyncWrite + Unpin>(&self, mut stream: S) {
        let Ok(_place) = self.0.acquire().await else { return };
        let Ok(Ok(request)) = timeout(GREETING, read_request(&mut stream)).await else { return };
        // An error of a stream or a connection ends it; each side sees that.
        let _ = match request {
            None => answer(&mut stream, Errno::EINVAL as i32).await,
            Some(request) if request.udp => datagrams::serve(stream, request.port).await,
            Some(request) => connect(stream, request).await,
        };
    }
}

/// Reads the first line and the request. `None` is a request that makes no sense.
async fn read_request(stream: &mut (impl AsyncRead + Unpin)) -> io::Result<Option<Request>> {
    let mut line = [0; DIAL.len()];
    stream.read_exact(&mut line).await?;
    let mut request = [0; REQUEST];
    stream.read_exact(&mut request).await?;
    Ok(Request::decode(request).filter(|_| line == *DIAL))
}

/// Sends the answer: 0 or an errno.
async fn answer(stream: &mut (impl AsyncWrite + Unpin), errno: i32) -> io::Result<()> {
    stream.write_all(&u16::try_from(errno).unwrap_or(Errno::EIO as u16).to_be_bytes()).await?;
    stream.flush().await
}

async fn connect(mut stream: impl AsyncRead + AsyncWrite + Unpin, request: Request) -> io::Result<()> {
    let patience = match request.timeout_ms {
        0 => CONNECT,
        ms => Duration::from_millis(ms.into()),
    };
    let connected = timeout(patience, connect_any(request.port)).await;
    match connected.unwrap_or(Err(Errno::ETIMEDOUT as i32)) {
        Err(errno) => answer(&mut stream, errno).await,
        Ok(port) => {
            let _ = port.set_nodelay(true);
            answer(&mut stream, 0).await?;
            pump::join(stream, port).await
        }
    }
}

/// Connects to the first address on which something listens. Fails with the errno that says most.
async fn connect_any(port: u16) -> Result<TcpStream, i32> {
    let mut failed = Errno::ECONNREFUSED as i32;
    for address in addresses(port) {
        match TcpStream::connect(address).await {
            Ok(stream) => return Ok(stream),
            Err(error) => match error.raw_os_error().map(Errno::from_raw) {
                // Nobody listens there, or the kernel has no such address.
                Some(Errno::ECONNREFUSED | Errno::EADDRNOTAVAIL | Errno::ENETUNREACH) => {}
                Some(errno) => failed = errno as i32,
                None => failed = Errno::EIO as i32,
            },
        }
    }
    Err(failed)
}

/// Where a service of the box may listen: both loopbacks, then the box's own addresses.
fn addresses(port: u16) -> impl Iterator<Item = SocketAddr> + Send {
    let loopbacks = [IpAddr::V4(Ipv4Addr::LOCALHOST), IpAddr::V6(Ipv6Addr::LOCALHOST)];
    let own = std::iter::once_with(own_addresses).flatten();
    loopbacks.into_iter().chain(own).map(move |address| SocketAddr::new(address, port))
}

/// The addresses of the box's interfaces but the loopback, and but link-local ones, which no service is reached by without more words.
/// They are read only if no loopback answers.
fn own_addresses() -> Vec<IpAddr> {
    let own = getifaddrs().into_iter().flatten().filter_map(|interface| {
        let up = interface.flags.contains(InterfaceFlags::IFF_UP);
        if !up || interface.flags.contains(InterfaceFlags::IFF_LOOPBACK) {
            return None;
        }
        let address = interface.address?;
        let v4 = address.as_sockaddr_in().map(|address| IpAddr::V4(address.ip()));
        let v6 = address.as_sockaddr_in6().map(nix::sys::socket::SockaddrIn6::ip);
        v4.or(v6.filter(|address| !address.is_unicast_link_local()).map(IpAddr::V6))
    });
    own.collect()
}

#[cfg(test)]
mod tests {
    use tokio::{
        io::{DuplexStream, duplex},
        net::{TcpListener, UdpSocket},
    };

    use super::*;

    /// The host's end of a stream on which `request` was sent, and the answer.
    async fn dial(request: Request) -> (DuplexStream, u16) {
        let (mut host, guest) = duplex(64 << 10);
        tokio::spawn(async move { Dialer::default().serve(guest).await });
        host.write_all(DIAL).await.expect("first line");
        host.write_all(&request.encode()).await.expect("request");
        let answer = host.read_u16().await.expect("answer");
        (host, answer)
    }

    fn tcp(port: u16) -> Request {
        Request { udp: false, port, timeout_ms: 5000 }
    }

    /// Answers one connection with the number of bytes that it has sent until it ended its direction.
    async fn count(listener: TcpListener) {
        let (mut stream, _) = listener.accept().await.expect("accept");
        let mut bytes = Vec::new();
        stream.read_to_end(&mut bytes).await.expect("read");
        stream.write_all(bytes.len().to_string().as_bytes()).await.expect("write");
    }

    #[tokio::test]
    async fn localhost_picks_v6_either_loopback_is_reached_and_half_close_passes() {
        for address in ["127.0.0.1:0", "[::1]:0", "0.0.0.0:0"] {
            let listener = TcpListener::bind(address).await.expect("bind");
            let port = listener.local_addr().expect("address").port();
            tokio::spawn(count(listener));
            let (mut host, answer) = dial(tcp(port)).await;
            assert_eq!(answer, 0, "{address}");
            host.write_all(&vec![7; 200_000]).await.expect("write");
            host.shutdown().await.expect("end");
            let mut counted = String::new();
            host.read_to_string(&mut counted).await.expect("read");
            assert_eq!(counted, "200000");
        }
    }

    #[tokio::test]
    async fn services_on_the_box_s_own_address_are_reached() {
        let Some(own) = own_addresses().into_iter().next() else { return };
        let listener = TcpListener::bind((own, 0)).await.expect("bind");
        let port = listener.local_addr().expect("address").port();
        let (_host, answer) = dial(tcp(port)).await;
        assert_eq!(answer, 0, "{own}");
    }

    #[tokio::test]
    async fn rst_a_port_that_nobody_listens_on_is_refused_at_once() {
        let port = {
            let free = TcpListener::bind("127.0.0.1:0").await.expect("bind");
            free.local_addr().expect("address").port()
        };
        let (mut host, answer) = dial(tcp(port)).await;
        assert_eq!(i32::from(answer), Errno::ECONNREFUSED as i32);
        assert_eq!(host.read(&mut [0]).await.expect("end"), 0);
    }

    #[tokio::test]
    async fn what_is_no_request_is_answered_or_closed() {
        let (mut host, guest) = duplex(1024);
        tokio::spawn(async move { Dialer::default().serve(guest).await });
        host.write_all(DIAL).await.expect("first line");
        host.write_all(&[9, 0, 0, 0, 0]).await.expect("request");
        assert_eq!(i32::from(host.read_u16().await.expect("answer")), Errno::EINVAL as i32);
        assert_eq!(host.read(&mut [0]).await.expect("end"), 0);
    }

    #[tokio::test(start_paused = true)]
    async fn a_host_that_says_nothing_is_given_up() {
        let (mut host, guest) = duplex(1024);
        tokio::spawn(async move { Dialer::default().serve(guest).await });
        assert_eq!(host.read(&mut [0]).await.expect("end"), 0);
    }

    #[tokio::test]
    async fn datagrams_go_both_ways_whole() {
        for address in ["127.0.0.1:0", "[::1]:0"] {
            let service = UdpSocket::bind(address).await.expect("bind");
            let port = service.local_addr().expect("address").port();
            tokio::spawn(async move {
                let mut datagram = vec![0; 65_535];
                while let Ok((length, peer)) = service.recv_from(&mut datagram).await {
                    let _ = service.send_to(&datagram[..length], peer).await;
                }
            });
            let (mut host, answer) = dial(Request { udp: true, port, timeout_ms: 0 }).await;
            assert_eq!(answer, 0);
            for length in [1_u16, 0, 9000, 65_507] {
                let datagram = vec![u8::try_from(length % 251).expect("a byte"); length.into()];
                host.write_u16(length).await.expect("length");
                host.write_all(&datagram).await.expect("datagram");
                assert_eq!(host.read_u16().await.expect("length"), length, "{address}");
                let mut back = vec![0; length.into()];
                host.read_exact(&mut back).await.expect("datagram");
                assert_eq!(back, datagram);
            }
        }
    }

    #[tokio::test]
    async fn a_datagram_to_a_port_that_nobody_serves_ends_the_stream() {
        let port = {
            let free = UdpSocket::bind("127.0.0.1:0").await.expect("bind");
            free.local_addr().expect("address").port()
        };
        let (mut host, answer) = dial(Request { udp: true, port, timeout_ms: 0 }).await;
        assert_eq!(answer, 0);
        host.write_all(&[0, 1, b'x']).await.expect("datagram");
        let ended = timeout(Duration::from_secs(10), host.read(&mut [0])).await.expect("left hanging");
        assert_eq!(ended.expect("end"), 0);
    }
}
