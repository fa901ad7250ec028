//! The control socket: what is asked of the backend, refusals as they are read, hostile clients, and the end.

use std::{
    os::unix::fs::PermissionsExt as _,
    sync::{Arc, Mutex},
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use boxlite_spec::network::{
    NetworkSpec,
    control::{FailureKind, LINE, Refusal, Reply, Request},
    port::PublishSpec,
    rule::{Policy, Protocol},
    secret::SecretSpec,
};
use tokio::{
    io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader, Lines},
    net::{TcpStream, UnixStream},
    time::timeout,
};

use super::{
    fixture::{Fixture, network},
    service::echo,
};
use crate::backend::{Attachment, NetworkBackend, NetworkError, Reports};

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

fn refusal(port: u16) -> Refusal {
    Refusal {
        address: Some([10, 0, 0, 1].into()),
        port,
        protocol: Protocol::Tcp,
        name: None,
        rule: "default".into(),
        count: 1,
    }
}

/// The replies to a request for refusals.
struct Events(Lines<BufReader<UnixStream>>);

impl Events {
    async fn ask(fixture: &Fixture, request: &str) -> Self {
        let mut stream = UnixStream::connect(fixture.control()).await.unwrap();
        stream.write_all(format!("{request}\n").as_bytes()).await.unwrap();
        Self(BufReader::new(stream).lines())
    }

    async fn next(&mut self) -> Reply {
        let line = timeout(Duration::from_secs(5), self.0.next_line()).await.unwrap().unwrap().unwrap();
        serde_json::from_str(&line).unwrap()
    }
}

#[tokio::test]
async fn network_pitfalls_hidden_refusals_are_read_as_they_come_and_counted_ones_after_a_second() {
    let fixture = Fixture::new(&[]);
    // Before anybody reads.
    fixture.reports.refusals.report(refusal(1));
    let mut events = Events::ask(&fixture, r#"{"type":"events"}"#).await;
    // As the runtime waits for it (`RefusalStream`).
    assert_eq!(events.next().await, Reply::Done);
    for _ in 0..3 {
        fixture.reports.refusals.report(refusal(2));
    }
    assert_eq!(events.next().await, Reply::Refusal { refusal: refusal(2) });
    assert_eq!(events.next().await, Reply::Refusal { refusal: Refusal { count: 2, ..refusal(2) } });
}

#[tokio::test]
async fn network_pitfalls_hidden_refusals_a_reader_also_gets_those_of_the_time_in_which_it_connected() {
    let fixture = Fixture::new(&[]);
    fixture.reports.refusals.report(refusal(1));
    tokio::time::sleep(Duration::from_millis(300)).await;
    let wanted = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_millis();
    fixture.reports.refusals.report(refusal(2));
    let request = format!(r#"{{"type":"events","since_unix_ms":{wanted}}}"#);
    let mut events = Events::ask(&fixture, &request).await;
    assert_eq!(events.next().await, Reply::Done);
    fixture.reports.refusals.report(refusal(3));
    assert_eq!(events.next().await, Reply::Refusal { refusal: refusal(2) });
    assert_eq!(events.next().await, Reply::Refusal { refusal: refusal(3) });
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
