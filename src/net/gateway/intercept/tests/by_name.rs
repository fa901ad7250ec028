//! Connections that only a rule by name allows.

use std::time::Duration;

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    time::timeout,
};

use super::{
    rig::{Names, Rig, spec, to},
    server::{LARGE, Server, pattern, start_echo},
};
use crate::gateway::inspector::{Inspector, Verdict};

fn only(name: &'static str) -> Names {
    Names(Some(vec![name]))
}

async fn plain(upstream: std::net::SocketAddr, port: u16) -> Rig {
    Rig::start(only("api.example"), &spec(Vec::new(), ""), upstream, port).await
}

/// Sends bytes and returns all that comes back.
async fn talk(rig: &Rig, bytes: &[u8]) -> String {
    let mut stream = TcpStream::connect(rig.address).await.unwrap();
    stream.write_all(bytes).await.unwrap();
    let mut answer = Vec::new();
    let _ = timeout(Duration::from_secs(20), stream.read_to_end(&mut answer)).await.unwrap();
    String::from_utf8_lossy(&answer).into_owned()
}

#[tokio::test]
async fn network_pitfalls_allow_list_by_name_and_addresses_shared_by_a_cdn_tls_is_decided_on_by_its_name() {
    let server = Server::start(&["api.example", "other.example"]).await;
    let rig = plain(server.address, 443).await;
    let client = rig.client(&server.root, true);
    let answer = client.get(rig.url("https", "api.example", "/")).send().await.unwrap();
    assert_eq!(answer.text().await.unwrap(), "hello");
    assert_eq!(rig.verdict(), Verdict::Pass { name: Some("api.example".into()) });
    let seen = server.seen();
    // The other host is at the same address and has a certificate that is valid.
    let error = rig.connect(&server.root, "other.example").await.unwrap_err();
    assert!(error.to_string().contains("AccessDenied"), "{error}");
    let Verdict::Refuse { refused, .. } = rig.verdict() else { panic!("{:?}", rig.verdict()) };
    assert_eq!((refused.rule.as_str(), refused.name.as_deref()), ("default", Some("other.example")));
    // A name that is an address is not sent as a name.
    rig.connect(&server.root, "203.0.113.7").await.unwrap_err();
    let Verdict::Refuse { refused, .. } = rig.verdict() else { panic!("{:?}", rig.verdict()) };
    assert!(refused.rule.contains("SNI"), "{refused:?}");
    assert_eq!(server.seen(), seen);
}

#[tokio::test]
async fn network_pitfalls_hidden_refusals_a_refused_request_is_answered_with_the_rule() {
    let server = Server::start(&[]).await;
    let rig = plain(server.address, 80).await;
    let client = rig.client(&server.root, false);
    let answer = client.get(rig.url("http", "other.example", "/")).send().await.unwrap();
    assert_eq!(answer.status(), 403);
    let text = answer.text().await.unwrap();
    for part in ["refuses other.example, port 80", "Rule: default", "add `other.example:80`"] {
        assert!(text.contains(part), "{text}");
    }
    let answer = talk(&rig, b"GET / HTTP/1.1\r\nHost: a b\r\n\r\n").await;
    assert!(answer.starts_with("HTTP/1.1 403 ") && answer.contains("Host"), "{answer}");
    assert_eq!(server.seen(), "");
}

#[tokio::test]
async fn network_pitfalls_allow_list_by_name_every_request_of_a_connection_is_checked() {
    let server = Server::start(&[]).await;
    let rig = plain(server.address, 8080).await;
    let mut refusals = rig.reports.refusals.subscribe();
    let first = "GET /first HTTP/1.1\r\nHost: api.example\r\n\r\n";
    for second in [
        "GET /second HTTP/1.1\r\nHost: other.example\r\n\r\n",
        "GET http://other.example/second HTTP/1.1\r\nHost: api.example\r\n\r\n",
        "GET /second HTTP/1.1\r\nHost: api.example\r\nHost: other.example\r\n\r\n",
        "CONNECT api.example:443 HTTP/1.1\r\nHost: api.example:443\r\n\r\n",
    ] {
        let answer = talk(&rig, format!("{first}{second}").as_bytes()).await;
        assert!(answer.starts_with("HTTP/1.1 200 ") && answer.contains("hello"), "{answer}");
        assert!(answer.contains("HTTP/1.1 403 ") && answer.contains("Rule: "), "{answer}");
    }
    let refusal = refusals.recv().await.unwrap();
    assert_eq!((refusal.name.as_deref(), refusal.port), (Some("other.example"), 8080));
    assert!(rig.reports.counters.read().refusals == 4);
    assert!(server.seen().contains("/first") && !server.seen().contains("/second"), "{}", server.seen());
}

#[tokio::test]
async fn requests_to_an_allowed_host_pass_whole() {
    let server = Server::start(&[]).await;
    let rig = plain(server.address, 80).await;
    let client = rig.client("", false);
    let get = client.get(rig.url("http", "api.example", "/large")).send().await.unwrap();
    assert!(get.bytes().await.unwrap() == pattern());
    let put = client.put(rig.url("http", "api.example", "/echo")).body(pattern()).send().await.unwrap();
    assert_eq!(put.headers()["content-length"], LARGE.to_string());
    assert!(put.bytes().await.unwrap() == pattern());
}

#[tokio::test]
async fn network_pitfalls_allow_list_by_name_http2_without_tls_is_checked_by_request() {
    let server = Server::start(&[]).await;
    let rig = plain(server.address, 80).await;
    let names = ["api.example", "other.example"];
    let builder = reqwest::Client::builder().no_proxy().http2_prior_knowledge();
    let builder = builder.tls_backend_preconfigured(
        rustls::ClientConfig::builder_with_provider(rustls::crypto::ring::default_provider().into())
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_root_certificates(rustls::RootCertStore::empty())
            .with_no_client_auth(),
    );
    let builder = names.into_iter().fold(builder, |builder, name| builder.resolve(name, rig.address));
    let client = builder.build().unwrap();
    let answers = names.map(|name| client.get(rig.url("http", name, "/")).send());
    let [allowed, refused] = answers;
    assert_eq!(allowed.await.unwrap().text().await.unwrap(), "hello");
    let refused = refused.await.unwrap();
    assert_eq!(refused.status(), 403);
    assert!(refused.text().await.unwrap().contains("other.example"));
    assert!(!server.seen().contains("other.example"));
}

#[tokio::test]
async fn a_protocol_without_names_passes_except_on_the_ports_of_http_and_tls() {
    let upstream = start_echo().await;
    let rig = plain(upstream, 22).await;
    let mut stream = TcpStream::connect(rig.address).await.unwrap();
    let greeting = b"SSH-2.0-OpenSSH_9.2p1 Debian-2\r\n";
    stream.write_all(greeting).await.unwrap();
    let mut answer = vec![0; greeting.len()];
    stream.read_exact(&mut answer).await.unwrap();
    assert_eq!(answer, greeting);
    for port in [80, 443] {
        let rig = plain(upstream, port).await;
        assert_eq!(talk(&rig, greeting).await, "");
        let Verdict::Refuse { refused, .. } = rig.verdict() else { panic!("{:?}", rig.verdict()) };
        assert_eq!(refused.name.as_deref(), Some("api.example"));
    }
}

#[tokio::test]
async fn what_no_rule_by_name_is_needed_for_is_not_looked_into() {
    let upstream = start_echo().await;
    let names = Names(None);
    let allowed = names.allowed();
    let rig = Rig::start(names, &spec(Vec::new(), ""), upstream, 443).await;
    assert!(!rig.intercept.wants(to(443), &allowed));
    assert_eq!(rig.intercept.authority(), None);
}
