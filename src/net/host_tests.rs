//! Tests of published ports and of the control socket over real sockets, with an agent that dials on this machine's 127.0.0.1.

use std::{
    io,
    net::{IpAddr, Ipv4Addr, SocketAddr},
    os::unix::fs::PermissionsExt as _,
    path::{Path, PathBuf},
    sync::{Arc, Mutex},
    time::Duration,
};

use boxlite_spec::{
    InstanceSpec, SPEC_VERSION, TransportSpec, VmmKind,
    network::{
        NetworkLimits, NetworkSpec,
        control::{FailureKind, LINE, Refusal, Reply, Request},
        port::PublishSpec,
        rule::{Policy, Protocol},
        secret::SecretSpec,
    },
};
use boxlite_wire::{
    dial::{REQUEST, Request as DialRequest},
    port::DIAL,
};
use tokio::{
    io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader, copy_bidirectional},
    net::{TcpListener, TcpStream, UdpSocket, UnixListener, UnixStream},
    time::timeout,
};

use super::{Host, HostError};
use crate::backend::{Attachment, NetworkBackend, NetworkError, Reports};

/// A host with its folder, and the reports that it was given.
struct Fixture {
    host: Option<Host>,
    folder: tempfile::TempDir,
    reports: Reports,
}

impl Fixture {
    fn new(publish: &[PublishSpec]) -> Self {
        Self::with(publish, None, None).unwrap()
    }

    fn with(
        publish: &[PublishSpec],
        network: Option<NetworkSpec>,
        backend: Option<Arc<dyn NetworkBackend>>,
    ) -> Result<Self, HostError> {
        let folder = tempfile::tempdir().unwrap();
        let listener = UnixListener::bind(folder.path().join("dial.sock")).unwrap();
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(serve_dial(stream));
            }
        });
        let mut spec = spec(folder.path());
        spec.publish = publish.to_vec();
        spec.network = network;
        let reports = Reports::default();
        let host = Host::start(&spec, backend, reports.clone())?;
        Ok(Self { host: Some(host), folder, reports })
    }

    fn control(&self) -> PathBuf {
        self.folder.path().join("control.sock")
    }

    async fn ask(&self, request: &Request) -> Reply {
        let line = serde_json::to_vec(request).unwrap();
        self.send(&[line, b"\n".to_vec()].concat()).await
    }

    async fn send(&self, bytes: &[u8]) -> Reply {
        let mut stream = UnixStream::connect(self.control()).await.unwrap();
        stream.write_all(bytes).await.unwrap();
        let mut line = String::new();
        BufReader::new(stream).read_line(&mut line).await.unwrap();
        serde_json::from_str(&line).unwrap()
    }

    async fn ports(&self, request: &Request) -> Vec<PublishSpec> {
        match self.ask(request).await {
            Reply::Ports { ports } => ports,
            other => panic!("{other:?}"),
        }
    }

    async fn publish(&self, port: PublishSpec) -> SocketAddr {
        let ports = self.ports(&Request::Publish { port }).await;
        SocketAddr::new(ports[0].bind, ports[0].host)
    }
}

fn spec(folder: &Path) -> InstanceSpec {
    let nowhere = || folder.join("nowhere");
    InstanceSpec {
        version: SPEC_VERSION,
        box_id: "b".into(),
        engine: VmmKind::Qemu,
        cpus: 1,
        memory_mib: 128,
        kernel: nowhere(),
        initramfs: nowhere(),
        disks: Vec::new(),
        transport: TransportSpec {
            portal: nowhere(),
            ready: nowhere(),
            clock: None,
            dial: Some(folder.join("dial.sock")),
        },
        console: nowhere(),
        lock: nowhere(),
        attached: true,
        journal: None,
        network: None,
        publish: Vec::new(),
        control: Some(folder.join("control.sock")),
        counters: None,
        deadline_ms: 0,
        qemu: None,
    }
}

fn network(connections: u32) -> NetworkSpec {
    serde_json::from_value(serde_json::json!({
        "backend": "gateway",
        "link": {
            "mac": [2, 0, 0, 0, 0, 1],
            "mtu": 1500,
            "v4": { "guest": "10.0.0.2", "gateway": "10.0.0.1", "host": "10.0.0.254", "prefix": 24 },
        },
        "policy": {},
        "dns": {},
        "limits": NetworkLimits { connections, ..NetworkLimits::default() },
    }))
    .unwrap()
}

/// What the agent does with a stream.
async fn serve_dial(mut stream: UnixStream) -> io::Result<()> {
    let mut line = [0; DIAL.len()];
    stream.read_exact(&mut line).await?;
    assert_eq!(line, DIAL);
    let mut request = [0; REQUEST];
    stream.read_exact(&mut request).await?;
    let request = DialRequest::decode(request).unwrap();
    let address = (Ipv4Addr::LOCALHOST, request.port);
    if request.udp {
        let socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).await?;
        socket.connect(address).await?;
        stream.write_u16(0).await?;
        return serve_datagrams(stream, socket).await;
    }
    match TcpStream::connect(address).await {
        Ok(mut connection) => {
            stream.write_u16(0).await?;
            copy_bidirectional(&mut stream, &mut connection).await.map(drop)
        }
        Err(error) => stream.write_u16(error.raw_os_error().unwrap().try_into().unwrap()).await,
    }
}

async fn serve_datagrams(stream: UnixStream, socket: UdpSocket) -> io::Result<()> {
    let (mut read, mut write) = stream.into_split();
    let up = async {
        loop {
            let mut datagram = vec![0; read.read_u16().await?.into()];
            read.read_exact(&mut datagram).await?;
            socket.send(&datagram).await?;
        }
    };
    let down = async {
        let mut datagram = vec![0; 65_536];
        loop {
            let length = socket.recv(&mut datagram).await?;
            write.write_u16(length.try_into().unwrap()).await?;
            write.write_all(&datagram[..length]).await?;
        }
    };
    tokio::select! { ended = up => ended, ended = down => ended }
}

/// A service on 127.0.0.1 that answers each connection by what `answer` makes of all that it has read.
async fn service<F: Future<Output = io::Result<()>> + Send + 'static>(
    answer: impl Fn(TcpStream) -> F + Send + 'static,
) -> u16 {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
    let port = listener.local_addr().unwrap().port();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            tokio::spawn(answer(stream));
        }
    });
    port
}

/// A service that returns what it reads, until the end of that.
async fn echo() -> u16 {
    service(|mut stream| async move {
        let (mut read, mut write) = stream.split();
        tokio::io::copy(&mut read, &mut write).await.map(drop)
    })
    .await
}

async fn exchange(address: SocketAddr, text: &[u8]) -> io::Result<Vec<u8>> {
    let mut client = TcpStream::connect(address).await?;
    client.write_all(text).await?;
    client.shutdown().await?;
    let mut answer = Vec::new();
    client.read_to_end(&mut answer).await?;
    Ok(answer)
}

/// Whether a client of `address` is reset.
async fn is_reset(address: SocketAddr) -> bool {
    let tried = timeout(Duration::from_secs(5), async {
        let mut client = TcpStream::connect(address).await?;
        client.read_u8().await
    });
    tried.await.unwrap().is_err_and(|error| error.kind() == io::ErrorKind::ConnectionReset)
}

#[tokio::test]
async fn network_pitfalls_services_on_the_boxs_127_0_0_1_and_inbound_bind() {
    // From the start on, at a free port of 127.0.0.1, which is told.
    let fixture = Fixture::new(&[PublishSpec::new(echo().await)]);
    let [port] = fixture.ports(&Request::Ports).await[..] else { panic!("one port") };
    assert_eq!(port.bind, IpAddr::V4(Ipv4Addr::LOCALHOST));
    assert_ne!(port.host, 0);
    assert_eq!(exchange((port.bind, port.host).into(), b"hello").await.unwrap(), b"hello");
}

#[tokio::test]
async fn network_pitfalls_no_accept_before_the_box_a_refused_port_is_a_reset() {
    let closed = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap().local_addr().unwrap().port();
    let fixture = Fixture::new(&[]);
    let address = fixture.publish(PublishSpec::new(closed)).await;
    assert!(is_reset(address).await);
    // And so it is while there is no agent.
    std::fs::remove_file(fixture.folder.path().join("dial.sock")).unwrap();
    assert!(is_reset(address).await);
}

#[tokio::test]
async fn network_pitfalls_half_close_each_direction_ends_by_itself() {
    const SIZE: usize = 3 << 20;
    let late = service(|mut stream| async move {
        let mut all = Vec::new();
        stream.read_to_end(&mut all).await?;
        stream.write_all(&all).await
    });
    let early = service(|mut stream| async move {
        stream.write_all(b"done").await?;
        stream.shutdown().await?;
        let mut all = Vec::new();
        stream.read_to_end(&mut all).await?;
        assert_eq!(all.len(), SIZE);
        Ok(())
    });
    let fixture = Fixture::new(&[]);
    let data: Vec<u8> = (0..=250).cycle().take(SIZE).collect();
    let address = fixture.publish(PublishSpec::new(late.await)).await;
    assert!(exchange(address, &data).await.unwrap() == data);

    let address = fixture.publish(PublishSpec::new(early.await)).await;
    let mut client = TcpStream::connect(address).await.unwrap();
    let mut answer = Vec::new();
    client.read_to_end(&mut answer).await.unwrap();
    assert_eq!(answer, b"done");
    client.write_all(&data).await.unwrap();
    client.shutdown().await.unwrap();
    // Both directions have ended, so the place is free.
    timeout(Duration::from_secs(5), async {
        while fixture.reports.counters.connections() > 0 {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    })
    .await
    .unwrap();
}

#[tokio::test]
async fn a_client_that_does_not_read_holds_the_service_back() {
    let (sender, mut sent) = tokio::sync::mpsc::unbounded_channel();
    let flood = service(move |mut stream| {
        let sender = sender.clone();
        async move {
            loop {
                stream.write_all(&vec![0; 65_536]).await?;
                let _ = sender.send(65_536_usize);
            }
        }
    });
    let fixture = Fixture::new(&[]);
    let address = fixture.publish(PublishSpec::new(flood.await)).await;
    let mut client = TcpStream::connect(address).await.unwrap();
    let mut total = 0;
    while let Ok(Some(bytes)) = timeout(Duration::from_millis(500), sent.recv()).await {
        total += bytes;
        assert!(total < 64 << 20, "the service is not held back");
    }
    // It goes on when the client reads.
    let mut data = vec![0; total + (1 << 20)];
    client.read_exact(&mut data).await.unwrap();
}

#[tokio::test]
async fn many_connections_at_once() {
    let fixture = Fixture::new(&[]);
    let address = fixture.publish(PublishSpec::new(echo().await)).await;
    let clients: Vec<_> = (0..200)
        .map(|number| tokio::spawn(async move { exchange(address, format!("{number}").as_bytes()).await }))
        .collect();
    for (number, client) in clients.into_iter().enumerate() {
        assert_eq!(client.await.unwrap().unwrap(), format!("{number}").as_bytes());
    }
    assert_eq!(fixture.reports.counters.read().connections_total, 200);
}

#[tokio::test]
async fn network_pitfalls_many_connections_the_cap_is_counted_and_told() {
    let fixture = Fixture::with(&[], Some(network(2)), None).unwrap();
    let address = fixture.publish(PublishSpec::new(echo().await)).await;
    let mut refusals = fixture.reports.refusals.subscribe();
    let mut held = Vec::new();
    for _ in 0..2 {
        let mut client = TcpStream::connect(address).await.unwrap();
        client.write_all(b"x").await.unwrap();
        client.read_u8().await.unwrap();
        held.push(client);
    }
    assert!(is_reset(address).await);
    assert_eq!(fixture.reports.counters.read().refusals, 1);
    assert_eq!(refusals.recv().await.unwrap().rule, "limit");
    drop(held);
    timeout(Duration::from_secs(5), async {
        while exchange(address, b"room").await.is_err() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    })
    .await
    .unwrap();
}

#[tokio::test]
async fn udp_peers_have_their_own_answers() {
    let service = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
    let guest = service.local_addr().unwrap().port();
    tokio::spawn(async move {
        let mut datagram = vec![0; 65_536];
        loop {
            let (length, from) = service.recv_from(&mut datagram).await.unwrap();
            service.send_to(&datagram[..length], from).await.unwrap();
        }
    });
    let fixture = Fixture::new(&[]);
    let udp = PublishSpec { protocol: Protocol::Udp, ..PublishSpec::new(guest) };
    let address = fixture.publish(udp).await;
    let mut peers = Vec::new();
    for number in 0..3 {
        let peer = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        peer.connect(address).await.unwrap();
        for text in [vec![number; 1], vec![], vec![number; 60_000]] {
            peer.send(&text).await.unwrap();
            let mut answer = vec![9; 65_536];
            let length = timeout(Duration::from_secs(5), peer.recv(&mut answer)).await.unwrap().unwrap();
            assert!(answer[..length] == text);
        }
        peers.push(peer);
    }
    assert_eq!(fixture.reports.counters.connections(), 3);
    let withdrawn = fixture.ports(&Request::Unpublish { guest, protocol: Protocol::Udp }).await;
    assert_eq!(withdrawn, [PublishSpec { host: address.port(), ..udp }]);
    UdpSocket::bind(address).await.unwrap();
}

#[tokio::test]
async fn a_port_that_was_withdrawn_is_free_and_its_connections_are_closed() {
    let fixture = Fixture::new(&[]);
    let guest = echo().await;
    let address = fixture.publish(PublishSpec::new(guest)).await;
    let second = fixture.publish(PublishSpec::new(guest)).await;
    assert_ne!(address, second);
    let mut client = TcpStream::connect(address).await.unwrap();
    client.write_all(b"x").await.unwrap();
    client.read_u8().await.unwrap();
    let none = fixture.ports(&Request::Unpublish { guest, protocol: Protocol::Udp }).await;
    assert_eq!(none, []);
    let withdrawn = fixture.ports(&Request::Unpublish { guest, protocol: Protocol::Tcp }).await;
    assert_eq!(withdrawn.len(), 2);
    assert!(timeout(Duration::from_secs(5), client.read_u8()).await.unwrap().is_err());
    assert!(TcpStream::connect(address).await.is_err());
    let again = PublishSpec { host: address.port(), ..PublishSpec::new(guest) };
    assert_eq!(fixture.publish(again).await, address);
    assert_eq!(exchange(address, b"again").await.unwrap(), b"again");
}

#[tokio::test]
async fn an_address_that_is_taken_or_not_allowed_is_named() {
    let taken = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
    let address = taken.local_addr().unwrap();
    let fixture = Fixture::new(&[]);
    let in_use = PublishSpec { host: address.port(), ..PublishSpec::new(80) };
    let foreign = PublishSpec { bind: [203, 0, 113, 77].into(), ..PublishSpec::new(80) };
    for (port, wanted, name) in [
        (in_use, FailureKind::AddressInUse, address.to_string()),
        (foreign, FailureKind::AddressDenied, "203.0.113.77:0".to_owned()),
        (PublishSpec { protocol: Protocol::Icmp, ..in_use }, FailureKind::Other, "80/icmp".to_owned()),
    ] {
        let Reply::Failed { message, kind } = fixture.ask(&Request::Publish { port }).await else {
            panic!("{port:?} was published")
        };
        assert_eq!(kind, wanted, "{message}");
        assert!(message.contains(&name), "{message}");
    }
    // From the start on it is an error of the start.
    for (port, kind) in [(in_use, FailureKind::AddressInUse), (foreign, FailureKind::AddressDenied)] {
        let error = Fixture::with(&[port], None, None).err().unwrap();
        assert_eq!(error.kind, kind);
        assert!(error.to_string().contains(&SocketAddr::new(port.bind, port.host).to_string()), "{error}");
    }
}

/// A backend that only remembers what it was told.
#[derive(Debug, Default)]
struct Told(Mutex<Vec<Policy>>);

impl NetworkBackend for Told {
    fn start(&mut self, _: &NetworkSpec, _: Reports) -> Result<Attachment, NetworkError> {
        Err(NetworkError::new("not used"))
    }

    fn set_policy(&self, policy: &Policy) -> Result<(), NetworkError> {
        self.0.lock().unwrap().push(policy.clone());
        Ok(())
    }

    fn set_secrets(&self, _: &[SecretSpec]) -> Result<(), NetworkError> {
        Err(NetworkError::new("this backend has no secrets"))
    }

    fn stop(&mut self) {}
}

#[tokio::test]
async fn policies_and_secrets_go_to_the_backend() {
    let policy = Policy { allow: Some(vec!["example.com".parse().unwrap()]), deny: Vec::new() };
    let set_policy = Request::SetPolicy { policy: policy.clone() };
    let none = Fixture::new(&[]);
    assert!(matches!(
        none.ask(&set_policy).await,
        Reply::Failed { kind: FailureKind::Unsupported, message } if message.contains("no network")
    ));
    let backend = Arc::new(Told::default());
    let fixture = Fixture::with(&[], Some(network(10)), Some(Arc::clone(&backend) as _)).unwrap();
    assert_eq!(fixture.ask(&set_policy).await, Reply::Done);
    assert_eq!(*backend.0.lock().unwrap(), [policy]);
    assert!(matches!(
        fixture.ask(&Request::SetSecrets { secrets: Vec::new() }).await,
        Reply::Failed { message, .. } if message.contains("no secrets")
    ));
    fixture.reports.counters.count_dns_query();
    assert!(matches!(
        fixture.ask(&Request::Metrics).await,
        Reply::Metrics { metrics } if metrics.dns_queries == 1
    ));
}

#[tokio::test]
async fn network_pitfalls_hidden_refusals_are_read_as_they_come_and_counted_ones_after_a_second() {
    let refusal = |port| Refusal {
        address: Some([10, 0, 0, 1].into()),
        port,
        protocol: Protocol::Tcp,
        name: None,
        rule: "default".into(),
        count: 1,
    };
    let fixture = Fixture::new(&[]);
    // Before anybody reads.
    fixture.reports.refusals.report(refusal(1));
    let mut stream = UnixStream::connect(fixture.control()).await.unwrap();
    stream.write_all(b"{\"type\":\"events\"}\n").await.unwrap();
    let mut lines = BufReader::new(stream).lines();
    let mut next = async || {
        let line = timeout(Duration::from_secs(5), lines.next_line()).await.unwrap().unwrap().unwrap();
        serde_json::from_str::<Reply>(&line).unwrap()
    };
    // As the runtime waits for it (`RefusalStream`).
    assert_eq!(next().await, Reply::Done);
    for _ in 0..3 {
        fixture.reports.refusals.report(refusal(2));
    }
    assert_eq!(next().await, Reply::Refusal { refusal: refusal(2) });
    assert_eq!(next().await, Reply::Refusal { refusal: Refusal { count: 2, ..refusal(2) } });
}

#[tokio::test]
async fn clients_are_of_this_user_and_bounded() {
    let fixture = Fixture::new(&[]);
    let mode = std::fs::metadata(fixture.control()).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    for nonsense in [&b"{}\n"[..], b"\n", b"{\"type\":\"port\"}\n", b"\xff\n"] {
        assert!(matches!(fixture.send(nonsense).await, Reply::Failed { .. }));
    }
    let long = [b"{\"type\":\"ports\"".as_slice(), &vec![b' '; LINE]].concat();
    let mut stream = UnixStream::connect(fixture.control()).await.unwrap();
    // The server may hang up before it has read all of it.
    let _ = stream.write_all(&long).await;
    let mut answer = String::new();
    let _ = BufReader::new(stream).read_line(&mut answer).await;
    assert!(answer.is_empty() || answer.contains("failed"), "{answer}");
    // Those that say nothing can't take every place for long; others are hung up on, not left waiting.
    let mut silent = Vec::new();
    for _ in 0..80 {
        silent.push(UnixStream::connect(fixture.control()).await.unwrap());
    }
    let mut last = silent.pop().unwrap();
    assert_eq!(timeout(Duration::from_secs(5), last.read(&mut [0])).await.unwrap().unwrap(), 0);
    drop(silent);
    tokio::time::sleep(Duration::from_millis(50)).await;
    assert_eq!(fixture.ports(&Request::Ports).await, []);
}

#[tokio::test]
async fn the_end_of_the_host_closes_everything() {
    let mut fixture = Fixture::new(&[]);
    let address = fixture.publish(PublishSpec::new(echo().await)).await;
    let mut client = TcpStream::connect(address).await.unwrap();
    client.write_all(b"x").await.unwrap();
    client.read_u8().await.unwrap();
    let host = fixture.host.take();
    tokio::task::spawn_blocking(move || drop(host)).await.unwrap();
    assert!(timeout(Duration::from_secs(5), client.read_u8()).await.unwrap().is_err());
    assert!(TcpStream::connect(address).await.is_err());
    assert!(UnixStream::connect(fixture.control()).await.is_err());
}
