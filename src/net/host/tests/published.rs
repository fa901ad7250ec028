//! Published ports: who gets through to the box, and what its clients see.

use std::{
    net::{IpAddr, Ipv4Addr, SocketAddr},
    time::Duration,
};

use boxlite_spec::network::{
    control::{FailureKind, Reply, Request},
    port::PublishSpec,
    rule::Protocol,
};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpListener, TcpStream, UdpSocket},
    time::timeout,
};

use super::{
    fixture::{Fixture, network},
    service::{echo, exchange, is_reset, service},
};

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
