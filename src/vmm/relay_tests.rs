//! Tests of the relay between real sockets and a yamux server that plays the guest.

use std::{
    path::{Path, PathBuf},
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    sync::mpsc,
    task::JoinHandle,
    time::timeout,
};

use super::*;

/// What the guest does with a stream that the host opened.
#[derive(Clone, Copy)]
enum Guest {
    /// Sends back what it gets, and ends when the host does.
    Echo,
    /// Reads nothing where the first byte is `s`, else as [`Guest::Echo`].
    StallOnS,
    /// Reads to the end, then sends the number of bytes. This works only if each direction ends separately.
    Count,
    /// Resets every stream.
    Refuse,
}

struct Fixture {
    _folder: tempfile::TempDir,
    portal: PathBuf,
    dial: PathBuf,
    ready: UnixListener,
    journal: UnixListener,
    relay: JoinHandle<ConnectionError>,
    guest: JoinHandle<()>,
    open: mpsc::Sender<Vec<u8>>,
    received: Arc<AtomicUsize>,
}

/// A relay over a serial port of `width` bytes with `guest` at its other end.
fn fixture(guest: Guest, width: usize) -> Fixture {
    let folder = tempfile::tempdir().unwrap();
    let [portal, dial, ready, journal] =
        ["portal", "dial", "ready", "journal"].map(|name| folder.path().join(name));
    let (host_end, guest_end) = tokio::io::duplex(width);
    let listener = UnixListener::bind(&portal).unwrap();
    let dial_listener = UnixListener::bind(&dial).unwrap();
    let ready_listener = UnixListener::bind(&ready).unwrap();
    let journal_listener = UnixListener::bind(&journal).unwrap();
    let relay = tokio::spawn(async move {
        let sockets = GuestSockets { ready, journal: Some(journal), clock: None };
        let mut inbound = [Inbound::new(listener, PORTAL_MAX), Inbound::new(dial_listener, DIAL_MAX)];
        run(host_end, &mut inbound, Some(sockets)).await
    });
    let (open, requests) = mpsc::channel(64);
    let received = Arc::new(AtomicUsize::new(0));
    let guest = tokio::spawn(serve(guest_end, guest, requests, Arc::clone(&received)));
    Fixture {
        _folder: folder,
        portal,
        dial,
        ready: ready_listener,
        journal: journal_listener,
        relay,
        guest,
        open,
        received,
    }
}

async fn serve(
    port: tokio::io::DuplexStream,
    guest: Guest,
    mut requests: mpsc::Receiver<Vec<u8>>,
    received: Arc<AtomicUsize>,
) {
    let mut mux = Connection::new(port.compat(), Config::default(), Mode::Server);
    let mut wanted: Option<Vec<u8>> = None;
    poll_fn(|cx| {
        loop {
            if wanted.is_none()
                && let Poll::Ready(Some(text)) = requests.poll_recv(cx)
            {
                wanted = Some(text);
            }
            if wanted.is_some()
                && let Poll::Ready(Ok(stream)) = mux.poll_new_outbound(cx)
            {
                let text = wanted.take().unwrap();
                tokio::spawn(async move {
                    let mut stream = stream.compat();
                    let _ = stream.write_all(&text).await;
                    let _ = stream.shutdown().await;
                });
                continue;
            }
            match ready!(mux.poll_next_inbound(cx)) {
                Some(Ok(stream)) => drop(tokio::spawn(answer(stream, guest, Arc::clone(&received)))),
                _ => return Poll::Ready(()),
            }
        }
    })
    .await;
}

async fn answer(stream: Stream, guest: Guest, received: Arc<AtomicUsize>) {
    let mut stream = stream.compat();
    let mut chunk = vec![0; 4096];
    let mut total = 0_usize;
    if matches!(guest, Guest::Refuse) {
        return;
    }
    while let Ok(count @ 1..) = stream.read(&mut chunk).await {
        total += count;
        received.fetch_add(count, Ordering::SeqCst);
        match guest {
            Guest::StallOnS if chunk[0] == b's' => std::future::pending().await,
            Guest::Count => {}
            _ => {
                if stream.write_all(&chunk[..count]).await.is_err() {
                    return;
                }
            }
        }
    }
    if matches!(guest, Guest::Count) {
        let _ = stream.write_all(total.to_string().as_bytes()).await;
    }
    let _ = stream.shutdown().await;
}

async fn echo(portal: &Path, text: &[u8]) {
    let mut host = UnixStream::connect(portal).await.unwrap();
    host.write_all(text).await.unwrap();
    let mut back = vec![0; text.len()];
    timeout(Duration::from_secs(20), host.read_exact(&mut back)).await.expect("no echo in time").unwrap();
    assert_eq!(back, text);
}

#[tokio::test]
async fn a_thousand_reconnects_find_the_guest() {
    let fixture = fixture(Guest::Echo, 4096);
    for round in 0..1000 {
        echo(&fixture.portal, format!("round {round}").as_bytes()).await;
    }
}

#[tokio::test]
async fn more_connections_than_fit_are_all_served() {
    let fixture = fixture(Guest::Echo, 4096);
    let portal = Arc::new(fixture.portal.clone());
    let all: Vec<_> = (0..3 * PORTAL_MAX)
        .map(|index| {
            let portal = Arc::clone(&portal);
            tokio::spawn(
                async move { echo(&portal, &vec![u8::try_from(index % 251).unwrap(); 10_000]).await },
            )
        })
        .collect();
    for one in all {
        one.await.unwrap();
    }
}

#[tokio::test]
async fn half_close_many_connections_to_ports_do_not_keep_others_from_the_portal() {
    let fixture = fixture(Guest::Count, 4096);
    let mut waiting = Vec::new();
    for _ in 0..4 * PORTAL_MAX {
        let mut host = UnixStream::connect(&fixture.dial).await.unwrap();
        host.write_all(b"12345").await.unwrap();
        waiting.push(host);
    }
    let mut host = UnixStream::connect(&fixture.portal).await.unwrap();
    host.write_all(b"123").await.unwrap();
    waiting.push(host);
    for (index, mut host) in waiting.into_iter().enumerate() {
        host.shutdown().await.unwrap();
        let mut count = String::new();
        timeout(Duration::from_secs(20), host.read_to_string(&mut count)).await.unwrap().unwrap();
        assert_eq!(count, if index < 4 * PORTAL_MAX { "5" } else { "3" });
    }
}

#[tokio::test]
async fn without_sockets_a_stream_of_the_guest_is_reset() {
    let folder = tempfile::tempdir().unwrap();
    let listener = UnixListener::bind(folder.path().join("dial")).unwrap();
    let (host_end, guest_end) = tokio::io::duplex(4096);
    tokio::spawn(async move { run(host_end, &mut [Inbound::new(listener, DIAL_MAX)], None).await });
    let mut mux = Connection::new(guest_end.compat(), Config::default(), Mode::Server);
    let stream = poll_fn(|cx| mux.poll_new_outbound(cx)).await.unwrap();
    tokio::spawn(async move { while poll_fn(|cx| mux.poll_next_inbound(cx)).await.is_some() {} });
    let mut stream = stream.compat();
    stream.write_all(JOURNAL).await.unwrap();
    let ended = timeout(Duration::from_secs(5), stream.read(&mut [0])).await.expect("left hanging");
    assert!(matches!(ended, Ok(0) | Err(_)));
}

#[tokio::test]
async fn each_direction_ends_separately() {
    let fixture = fixture(Guest::Count, 4096);
    let mut host = UnixStream::connect(&fixture.portal).await.unwrap();
    host.write_all(&vec![7; 1_000_000]).await.unwrap();
    host.shutdown().await.unwrap();
    let mut answer = String::new();
    timeout(Duration::from_secs(20), host.read_to_string(&mut answer))
        .await
        .expect("no end in time")
        .unwrap();
    assert_eq!(answer, "1000000");
}

#[tokio::test]
async fn a_stalled_connection_is_bounded_and_blocks_no_other() {
    let fixture = fixture(Guest::StallOnS, 4096);
    let mut stalled = UnixStream::connect(&fixture.portal).await.unwrap();
    let mut written = 0;
    while let Ok(Ok(count)) = timeout(Duration::from_millis(300), stalled.write(&[b's'; 16384])).await {
        written += count;
        assert!(written < 8 << 20, "nothing stops the writer");
    }
    // One window in yamux, one chunk in the relay, the rest in the socket's own buffer.
    assert!(written >= DEFAULT_CREDIT as usize, "{written}");
    assert!(written < 2 << 20, "{written}");
    for _ in 0..20 {
        echo(&fixture.portal, b"other").await;
    }
}

#[tokio::test]
async fn a_host_that_does_not_read_blocks_no_other_connection() {
    let fixture = fixture(Guest::Echo, 4096);
    let mut lazy = UnixStream::connect(&fixture.portal).await.unwrap();
    let mut written = 0;
    while let Ok(Ok(count)) = timeout(Duration::from_millis(300), lazy.write(&[b'l'; 16384])).await {
        written += count;
        assert!(written < 8 << 20, "nothing stops the writer");
    }
    assert!(fixture.received.load(Ordering::SeqCst) < 2 << 20);
    echo(&fixture.portal, b"other").await;
    // When it reads at last, nothing is missing.
    let mut back = vec![0; written];
    timeout(Duration::from_secs(20), lazy.read_exact(&mut back)).await.expect("lost bytes").unwrap();
    assert!(back.iter().all(|&byte| byte == b'l'));
}

#[tokio::test]
async fn a_host_that_disconnects_frees_its_place() {
    let fixture = fixture(Guest::Echo, 4096);
    for _ in 0..4 * PORTAL_MAX {
        let mut host = UnixStream::connect(&fixture.portal).await.unwrap();
        host.write_all(b"gone before the answer").await.unwrap();
    }
    echo(&fixture.portal, b"other").await;
}

#[tokio::test]
async fn a_refused_stream_closes_its_connection_only() {
    let fixture = fixture(Guest::Refuse, 4096);
    for _ in 0..200 {
        let mut host = UnixStream::connect(&fixture.portal).await.unwrap();
        host.write_all(b"hello").await.unwrap();
        let mut nothing = Vec::new();
        let _ = timeout(Duration::from_secs(5), host.read_to_end(&mut nothing)).await.expect("left hanging");
        assert!(nothing.is_empty());
    }
    assert!(!fixture.relay.is_finished());
}

#[tokio::test]
async fn a_guest_stream_is_a_ready_notification() {
    let fixture = fixture(Guest::Echo, 4096);
    for _ in 0..50 {
        fixture.open.send(b"boxlite-ready/1\n".to_vec()).await.unwrap();
        let (mut stream, _) = timeout(Duration::from_secs(5), fixture.ready.accept()).await.unwrap().unwrap();
        let mut received = String::new();
        stream.read_to_string(&mut received).await.unwrap();
        assert_eq!(received, "boxlite-ready/1\n");
    }
}

#[tokio::test]
async fn a_guest_stream_with_the_journals_first_line_is_the_journal() {
    let fixture = fixture(Guest::Echo, 4096);
    fixture.open.send([JOURNAL, b"\x03abc"].concat()).await.unwrap();
    let (mut stream, _) = timeout(Duration::from_secs(5), fixture.journal.accept()).await.unwrap().unwrap();
    let mut received = Vec::new();
    stream.read_to_end(&mut received).await.unwrap();
    assert_eq!(received, [JOURNAL, b"\x03abc"].concat());
    // A stream that ends within that line is something else.
    fixture.open.send(JOURNAL[..9].to_vec()).await.unwrap();
    let (mut stream, _) = timeout(Duration::from_secs(5), fixture.ready.accept()).await.unwrap().unwrap();
    received.clear();
    stream.read_to_end(&mut received).await.unwrap();
    assert_eq!(received, JOURNAL[..9]);
}

#[tokio::test]
async fn the_number_of_guest_streams_is_limited() {
    let fixture = fixture(Guest::Echo, 4096);
    let mut accepted = Vec::new();
    for _ in 0..40 {
        fixture.open.send(vec![0; 1_000_000]).await.unwrap();
        if let Ok(Ok((stream, _))) = timeout(Duration::from_millis(50), fixture.ready.accept()).await {
            accepted.push(stream);
        }
    }
    assert_eq!(accepted.len(), GUEST_STREAMS_MAX);
    echo(&fixture.portal, b"other").await;
}

#[tokio::test]
async fn the_end_of_the_port_ends_the_relay_and_its_connections() {
    let fixture = fixture(Guest::Echo, 4096);
    let mut host = UnixStream::connect(&fixture.portal).await.unwrap();
    host.write_all(b"x").await.unwrap();
    host.read_exact(&mut [0]).await.unwrap();
    fixture.guest.abort();
    timeout(Duration::from_secs(5), fixture.relay).await.expect("the relay goes on").unwrap();
    let mut nothing = Vec::new();
    let _ = timeout(Duration::from_secs(5), host.read_to_end(&mut nothing)).await.expect("left hanging");
    assert!(nothing.is_empty());
    // Both directions are over, which tells it from a guest that has said all.
    assert_eq!(host.write_all(b"x").await.unwrap_err().kind(), io::ErrorKind::BrokenPipe);
}

#[tokio::test]
async fn garbage_ends_the_relay() {
    let folder = tempfile::tempdir().unwrap();
    let listener = UnixListener::bind(folder.path().join("portal")).unwrap();
    let (host_end, mut guest_end) = tokio::io::duplex(4096);
    guest_end.write_all(&[0xff; 64]).await.unwrap();
    let ended = timeout(
        Duration::from_secs(5),
        run(
            host_end,
            &mut [Inbound::new(listener, PORTAL_MAX)],
            Some(GuestSockets { ready: "/nonexistent".into(), journal: None, clock: None }),
        ),
    )
    .await
    .unwrap();
    assert!(!ended.to_string().is_empty());
}

/// One frame of yamux: version 0, and whatever kind, flags, stream and length.
fn frame(kind: u8, flags: u16, stream: u32, length: u32) -> Vec<u8> {
    [&[0, kind][..], &flags.to_be_bytes(), &stream.to_be_bytes(), &length.to_be_bytes()].concat()
}

/// A relay whose guest says exactly these bytes and then ends, and two connections to its portal.
async fn hostile(said: &[u8]) -> (tempfile::TempDir, JoinHandle<ConnectionError>, Vec<UnixStream>) {
    let folder = tempfile::tempdir().unwrap();
    let portal = folder.path().join("portal");
    let listener = UnixListener::bind(&portal).unwrap();
    let (host_end, mut guest_end) = tokio::io::duplex(4096);
    let sockets = GuestSockets { ready: folder.path().join("none"), journal: None, clock: None };
    let relay =
        tokio::spawn(
            async move { run(host_end, &mut [Inbound::new(listener, PORTAL_MAX)], Some(sockets)).await },
        );
    let mut clients = Vec::new();
    for _ in 0..2 {
        let mut client = UnixStream::connect(&portal).await.unwrap();
        client.write_all(b"from the host").await.unwrap();
        clients.push(client);
    }
    let (mut reader, mut writer) = tokio::io::split(&mut guest_end);
    // It reads what it gets, too: a guest that does not is the test below.
    let mut chunk = vec![0; 4096];
    let reading = async { while reader.read(&mut chunk).await.is_ok_and(|count| count > 0) {} };
    let saying = async {
        let _ = writer.write_all(said).await;
        let _ = writer.shutdown().await;
    };
    tokio::select! {
        () = reading => {}
        () = saying => {}
    }
    (folder, relay, clients)
}

#[tokio::test]
async fn whatever_a_guest_says_ends_the_relay_at_most_and_every_connection_with_it() {
    let mut state = 88_172_645_463_325_252_u64;
    let mut below = |bound: u64| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        (state >> 16) % bound
    };
    for _ in 0..300 {
        let mut said = Vec::new();
        for _ in 0..=below(12) {
            // Now and then anything, mostly what means something.
            let mut one_of = |any: u64, sound: u64| {
                let bound = if below(20) == 0 { any } else { sound };
                below(bound)
            };
            let kind = u8::try_from(one_of(256, 4)).unwrap();
            let flags = u16::try_from(one_of(65_536, 16)).unwrap();
            let stream = u32::try_from(one_of(1 << 32, 8)).unwrap();
            let length = u32::try_from(one_of(1 << 32, 64)).unwrap();
            said.extend(frame(kind, flags, stream, length));
            let payload = if kind == 0 { u64::from(length).min(300_000) } else { 0 };
            said.extend((0..payload).map(|_| 7));
        }
        let (_folder, relay, clients) = hostile(&said).await;
        timeout(Duration::from_secs(5), relay).await.expect("the relay goes on").expect("a panic");
        for mut client in clients {
            let mut received = Vec::new();
            let ended = timeout(Duration::from_secs(5), client.read_to_end(&mut received));
            let _ = ended.await.expect("a connection is left");
            assert!(received.len() <= said.len());
        }
    }
}

#[tokio::test]
async fn a_guest_that_reads_no_answers_is_not_read_either() {
    let folder = tempfile::tempdir().unwrap();
    let listener = UnixListener::bind(folder.path().join("portal")).unwrap();
    let (host_end, mut guest_end) = tokio::io::duplex(4096);
    let relay =
        tokio::spawn(async move { run(host_end, &mut [Inbound::new(listener, PORTAL_MAX)], None).await });
    // Each wants an answer.
    let ping = frame(2, 1, 0, 7).repeat(1000);
    let mut taken = 0;
    while timeout(Duration::from_millis(300), guest_end.write_all(&ping)).await.is_ok() {
        taken += ping.len();
        assert!(taken < 1 << 20, "answers that nobody reads are kept without a bound");
    }
    relay.abort();
}
