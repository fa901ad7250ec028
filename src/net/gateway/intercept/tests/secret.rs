//! Secrets in requests over TLS.

use base64::{Engine, prelude::BASE64_STANDARD};
use futures::future::join_all;
use http::Version;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use super::{
    rig::{Names, Rig, secret, spec},
    server::{LARGE, Server, gzip, pattern},
};
use crate::gateway::inspector::{Inspector, Verdict};

const VALUE: &str = "hidden-value";

struct Scene {
    server: Server,
    rig: Rig,
    authority: String,
}

/// A box with a secret for `api.example`, before a server that has other names too.
async fn scene() -> Scene {
    let server = Server::start(&["api.example", "www.example"]).await;
    let spec = spec(vec![secret(VALUE, &["api.example"])], &server.root);
    let rig = Rig::start(Names(None), &spec, server.address, 443).await;
    let authority = rig.intercept.authority().unwrap();
    Scene { server, rig, authority }
}

#[tokio::test]
async fn a_placeholder_in_a_header_becomes_the_value_and_new_values_count_at_once() {
    for (http2, version) in [(false, Version::HTTP_11), (true, Version::HTTP_2)] {
        let Scene { server, rig, authority } = scene().await;
        let client = rig.client(&authority, http2);
        let ask = || {
            let request = client.get(rig.url("https", "api.example", "/boxlite-KEY"));
            request.header("x-key", "Bearer boxlite-KEY").basic_auth("user", Some("boxlite-KEY")).send()
        };
        let answer = ask().await.unwrap();
        assert_eq!((answer.version(), answer.status().as_u16()), (version, 200));
        assert_eq!(answer.text().await.unwrap(), "hello");
        let seen = server.seen();
        let basic = BASE64_STANDARD.encode(format!("user:{VALUE}"));
        assert!(seen.contains(&format!("x-key: Bearer {VALUE}")), "{seen}");
        assert!(seen.contains(&format!("authorization: Basic {basic}")), "{seen}");
        assert!(seen.contains("GET /boxlite-KEY"), "only headers get it: {seen}");
        assert_eq!(rig.verdict(), Verdict::Intercept { name: "api.example".into() });
        // The same connection, and another value.
        rig.intercept.set_secrets(&[secret("rotated", &["api.example"])]).unwrap();
        ask().await.unwrap();
        assert!(server.seen().contains("x-key: Bearer rotated"));
        rig.intercept.set_secrets(&[]).unwrap();
        ask().await.unwrap();
        assert!(server.seen().contains("x-key: Bearer boxlite-KEY"));
    }
}

#[tokio::test]
async fn the_first_secrets_make_an_authority_and_hold_for_later_connections() {
    let server = Server::start(&["api.example"]).await;
    let rig = Rig::start(Names(None), &spec(Vec::new(), &server.root), server.address, 443).await;
    let url = rig.url("https", "api.example", "/");
    rig.client(&server.root, false).get(&url).send().await.unwrap();
    assert_eq!(rig.intercept.authority(), None);
    rig.intercept.set_secrets(&[secret(VALUE, &["api.example"])]).unwrap();
    let authority = rig.intercept.authority().unwrap();
    rig.intercept.set_secrets(&[secret("rotated", &["api.example"])]).unwrap();
    assert_eq!(rig.intercept.authority().unwrap(), authority);
    let client = rig.client(&authority, false);
    client.get(&url).header("x-key", "boxlite-KEY").send().await.unwrap();
    assert!(server.seen().contains("x-key: rotated"));
}

#[tokio::test]
async fn other_hosts_get_the_placeholder_over_connections_that_are_not_opened() {
    let Scene { server, rig, authority } = scene().await;
    // It trusts the server's own authority, not the box's.
    let client = rig.client(&server.root, true);
    let url = rig.url("https", "www.example", "/");
    let answer = client.get(url).header("x-key", "boxlite-KEY").send().await.unwrap();
    assert_eq!(answer.text().await.unwrap(), "hello");
    assert_eq!(rig.verdict(), Verdict::Pass { name: None });
    assert!(server.seen().contains("x-key: boxlite-KEY"));
    rig.connect(&authority, "www.example").await.unwrap_err();
}

#[tokio::test]
async fn network_pitfalls_allow_list_by_name_the_host_equals_the_name_in_the_handshake() {
    let Scene { server, rig, authority } = scene().await;
    let mut stream = rig.connect(&authority, "api.example").await.unwrap();
    let request = "GET / HTTP/1.1\r\nHost: www.example\r\nX-Key: boxlite-KEY\r\n\r\n";
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = String::new();
    let _ = stream.read_to_string(&mut answer).await;
    assert!(answer.starts_with("HTTP/1.1 421 ") && answer.contains("www.example"), "{answer}");
    assert_eq!(server.seen(), "");
    let trace = "TRACE / HTTP/1.1\r\nHost: api.example\r\nX-Key: boxlite-KEY\r\n\r\n";
    let mut stream = rig.connect(&authority, "api.example").await.unwrap();
    stream.write_all(trace.as_bytes()).await.unwrap();
    let mut answer = String::new();
    let _ = stream.read_to_string(&mut answer).await;
    assert!(answer.starts_with("HTTP/1.1 403 "), "{answer}");
    assert_eq!((server.seen().as_str(), rig.reports.counters.read().refusals), ("", 2));
}

#[tokio::test]
async fn network_pitfalls_tls_details_bodies_pass_byte_for_byte() {
    for http2 in [false, true] {
        let Scene { rig, authority, .. } = scene().await;
        let client = rig.client(&authority, http2);
        let url = |path| rig.url("https", "api.example", path);
        let large = client.get(url("/large")).send().await.unwrap();
        assert_eq!(large.headers()["content-length"], LARGE.to_string());
        assert!(large.bytes().await.unwrap() == pattern());
        let echoed = client.post(url("/echo")).body(pattern()).send().await.unwrap();
        assert!(echoed.bytes().await.unwrap() == pattern());
        let encoded = client.get(url("/gzip")).send().await.unwrap();
        assert_eq!(encoded.headers()["content-encoding"], "gzip");
        assert!(encoded.bytes().await.unwrap() == gzip());
        let many = join_all((0..40).map(|_| client.post(url("/echo")).body("boxlite-KEY").send())).await;
        for answer in many {
            assert_eq!(answer.unwrap().text().await.unwrap(), "boxlite-KEY");
        }
    }
}

#[tokio::test]
async fn trailers_pass() {
    use http_body_util::BodyExt;
    let Scene { rig, authority, .. } = scene().await;
    let client = rig.client(&authority, true);
    let answer = client.get(rig.url("https", "api.example", "/trailers")).send().await.unwrap();
    let answer = http::Response::<reqwest::Body>::from(answer).into_body().collect().await.unwrap();
    assert_eq!(answer.trailers().unwrap()["grpc-status"], "0");
    assert_eq!(answer.to_bytes(), "body");
}

#[tokio::test]
async fn an_upgraded_connection_carries_bytes_both_ways() {
    let Scene { server, rig, authority } = scene().await;
    let mut stream = rig.connect(&authority, "api.example").await.unwrap();
    let head = "GET /upgrade HTTP/1.1\r\nHost: api.example\r\nConnection: Upgrade\r\nUpgrade: echo\r\nX-Key: boxlite-KEY\r\n\r\n";
    stream.write_all(head.as_bytes()).await.unwrap();
    let mut answer = Vec::new();
    while !answer.ends_with(b"\r\n\r\n") {
        assert!(stream.read_buf(&mut answer).await.unwrap() > 0);
    }
    let answer = String::from_utf8(answer).unwrap().to_ascii_lowercase();
    assert!(answer.starts_with("http/1.1 101 ") && answer.contains("connection: upgrade\r\n"), "{answer}");
    assert!(!answer.contains("close"), "{answer}");
    stream.write_all(b"boxlite-KEY").await.unwrap();
    stream.shutdown().await.unwrap();
    let mut echoed = String::new();
    stream.read_to_string(&mut echoed).await.unwrap();
    assert_eq!(echoed, "boxlite-KEY");
    assert!(server.seen().contains(&format!("x-key: {VALUE}")));
}

#[tokio::test]
async fn a_server_that_the_host_does_not_trust_gets_no_request() {
    let (server, other) = (Server::start(&["api.example"]).await, Server::start(&["api.example"]).await);
    let spec = spec(vec![secret(VALUE, &["api.example"])], &other.root);
    let rig = Rig::start(Names(None), &spec, server.address, 443).await;
    let client = rig.client(&rig.intercept.authority().unwrap(), true);
    let mut refusals = rig.reports.refusals.subscribe();
    let url = rig.url("https", "api.example", "/");
    let answer = client.get(url).header("x-key", "boxlite-KEY").send().await.unwrap();
    assert_eq!(answer.status(), 502);
    let text = answer.text().await.unwrap();
    assert!(
        text.contains("invalid peer certificate") && text.contains("api.example") && !text.contains(VALUE),
        "{text}"
    );
    assert_eq!(server.seen(), "");
    let refusal = refusals.recv().await.unwrap();
    assert_eq!(refusal.name.as_deref(), Some("api.example"));
    assert!(refusal.rule.starts_with("secrets: no TLS connection"), "{refusal:?}");
}

#[tokio::test]
async fn network_pitfalls_hidden_refusals_a_program_that_does_not_trust_the_authority_is_reported() {
    let Scene { server, rig, .. } = scene().await;
    let mut refusals = rig.reports.refusals.subscribe();
    rig.connect(&server.root, "api.example").await.unwrap_err();
    let refusal = refusals.recv().await.unwrap();
    assert_eq!(refusal.name.as_deref(), Some("api.example"));
    assert!(refusal.rule.contains("may not trust"), "{refusal:?}");
}

#[tokio::test]
async fn no_secret_and_no_key_is_in_a_text() {
    let Scene { rig, .. } = scene().await;
    let text = format!("{:?} {:?}", rig.intercept, secret(VALUE, &["api.example"]));
    assert!(!text.contains(VALUE) && !text.contains("PRIVATE"), "{text}");
    let error = crate::gateway::intercept::Intercept::new(
        &spec(
            vec![secret(VALUE, &["api.example"])],
            "-----BEGIN CERTIFICATE-----\n!\n-----END CERTIFICATE-----\n",
        ),
        std::sync::Arc::new(Names(None)),
        crate::backend::Reports::default(),
    );
    let error = error.unwrap_err().to_string();
    assert!(error.contains("prepare secrets") && !error.contains(VALUE), "{error}");
}
