//! Registries that are away, wrong, slow or hostile.

use std::{
    fs,
    time::{Duration, Instant},
};

use boxlite_error::ErrorCode;
use boxlite_images::{Error, RegistryOptions};

use crate::{
    fixture::{Home, Layout, assert_whole, layer},
    proxy::{Act, Proxy, answer},
    registry::Registry,
};

fn is_kind(error: &Error, kind: ErrorCode) {
    assert_eq!(error.code(), kind, "{error}");
    assert!(error.hint().is_some(), "{error}");
}

#[tokio::test]
async fn an_unknown_image_is_not_found() {
    let registry = Registry::start();
    let home = Home::http(&registry.host);
    let error = home.pull(&format!("{}/no/such:thing", registry.host)).await.unwrap_err();
    is_kind(&error, ErrorCode::ImageNotFound);
    assert!(error.to_string().contains("fetch manifest thing of 127.0.0.1:"), "{error}");
    assert!(home.blobs().is_empty());
}

#[tokio::test]
async fn a_registry_that_is_down_is_told_soon() {
    let start = Instant::now();
    let home = Home::http("127.0.0.1:1");
    is_kind(&home.pull("127.0.0.1:1/app").await.unwrap_err(), ErrorCode::RegistryUnreachable);
    assert!(start.elapsed() < Duration::from_secs(5));
}

#[tokio::test]
async fn plain_http_is_never_spoken_unasked() {
    let registry = Registry::start();
    let reference = registry.push(&Layout::with_layers(&[layer(1, 10)]), "app");
    let error = Home::new(vec![]).pull(&reference).await.unwrap_err();
    is_kind(&error, ErrorCode::RegistryUnreachable);
    assert!(error.hint().unwrap().contains("the option `http`"));
}

#[tokio::test]
async fn a_registry_of_ones_own_authority() {
    let (registry, certificate) = Registry::with_tls();
    let tars = [layer(1, 100_000)];
    let reference = registry.push(&Layout::with_layers(&tars), "app");
    let strangers = Home::new(vec![]);
    is_kind(&strangers.pull(&reference).await.unwrap_err(), ErrorCode::RegistryUnreachable);
    let mut options = RegistryOptions::new(&registry.host);
    options.ca_file = Some(certificate);
    assert_whole(&Home::new(vec![options.clone()]).pull(&reference).await.unwrap(), &tars);
    options.ca_file = None;
    options.skip_verify = true;
    assert_whole(&Home::new(vec![options]).pull(&reference).await.unwrap(), &tars);
}

#[tokio::test]
async fn wrong_and_missing_bytes_in_the_registry_are_never_accepted() {
    let registry = Registry::start();
    let tars = [layer(1, 300_000)];
    let reference = registry.push(&Layout::with_layers(&tars), "app");
    let digest = Home::http(&registry.host).pull(&reference).await.unwrap().layers[0].digest.clone();
    let path = registry.blob_path(&digest);
    let good = fs::read(&path).unwrap();
    let mut bad = good.clone();
    bad[200_000] ^= 1;
    for (bytes, kind) in
        [(&bad[..], ErrorCode::ImageDigestMismatch), (&good[..250_000], ErrorCode::ImageCorrupt)]
    {
        fs::write(&path, bytes).unwrap();
        let home = Home::http(&registry.host);
        let error = home.pull(&reference).await.unwrap_err();
        is_kind(&error, kind);
        assert!(error.to_string().contains(&digest), "{error}");
        assert!(!home.blob_path(&digest).exists());
        fs::write(&path, &good).unwrap();
        assert_whole(&home.pull(&reference).await.unwrap(), &tars);
    }
}

#[tokio::test]
async fn a_broken_transfer_goes_on_where_it_stopped() {
    let registry = Registry::start();
    let tars = [layer(1, 4_000_000)];
    registry.push(&Layout::with_layers(&tars), "app");
    // More cuts than attempts: what moves on is not given up.
    let proxy = Proxy::start(&registry.host, |request| {
        if request.path.contains("/blobs/") && request.before < 6 { Act::Cut(700_000) } else { Act::Pass }
    })
    .await;
    let home = Home::http(&proxy.host);
    let image = home.pull(&format!("{}/app", proxy.host)).await.unwrap();
    assert_whole(&image, &tars);
    let requests = proxy.requests(&image.layers[0].digest);
    assert!(requests.len() > 4, "{}", requests.len());
    assert!(requests[1..].iter().all(|request| request.head.to_lowercase().contains("range: bytes=")));
}

#[tokio::test]
async fn passing_errors_pass() {
    let registry = Registry::start();
    let tars = [layer(1, 10_000)];
    registry.push(&Layout::with_layers(&tars), "app");
    let proxy = Proxy::start(&registry.host, |request| match request.before {
        0 => answer("503 Service Unavailable", ""),
        1 => answer("429 Too Many Requests", "Retry-After: 1\r\n"),
        _ => Act::Pass,
    })
    .await;
    let start = Instant::now();
    let home = Home::http(&proxy.host);
    assert_whole(&home.pull(&format!("{}/app", proxy.host)).await.unwrap(), &tars);
    assert!(start.elapsed() >= Duration::from_secs(3), "three requests were each asked to wait for a second");
}

#[tokio::test]
async fn lasting_errors_are_told_apart() {
    for (status, headers, kind) in [
        ("500 Internal Server Error", "", ErrorCode::RegistryFailed),
        ("418 I'm a teapot", "", ErrorCode::RegistryFailed),
        ("429 Too Many Requests", "Retry-After: 86400\r\n", ErrorCode::RegistryRateLimited),
        (
            "429 Too Many Requests",
            "Retry-After: Tue, 31 Dec 2999 23:59:59 GMT\r\n",
            ErrorCode::RegistryRateLimited,
        ),
        ("403 Forbidden", "", ErrorCode::ImageUnauthorized),
        ("401 Unauthorized", "", ErrorCode::ImageUnauthorized),
    ] {
        let proxy = Proxy::start("", move |_| answer(status, headers)).await;
        let home = Home::http(&proxy.host);
        let error = home.pull(&format!("{}/app", proxy.host)).await.unwrap_err();
        is_kind(&error, kind);
        assert!(error.to_string().contains(&format!("HTTP {}", &status[..3])), "{error}");
    }
}

#[tokio::test]
async fn a_stalled_registry_is_given_up() {
    let proxy = Proxy::start("", |_| Act::Stall(0)).await;
    let mut options = RegistryOptions::new(&proxy.host);
    options.http = true;
    let home = Home::with(|all| {
        all.registries = vec![options];
        all.timeouts.read = Duration::from_millis(200);
    });
    is_kind(&home.pull(&format!("{}/app", proxy.host)).await.unwrap_err(), ErrorCode::RegistryUnreachable);
}

#[tokio::test]
async fn a_registry_that_never_greets_is_given_up() {
    // The system takes the connection, and nobody answers the client's TLS.
    let silent = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let host = silent.local_addr().unwrap().to_string();
    let home = Home::with(|all| {
        all.timeouts.connect = Duration::from_millis(200);
        all.attempts = 2;
    });
    let start = Instant::now();
    is_kind(&home.pull(&format!("{host}/app")).await.unwrap_err(), ErrorCode::RegistryUnreachable);
    assert!(start.elapsed() < Duration::from_secs(20), "less than the time for a read");
}

/// Each byte is there before the time for a read is over, and the whole is not.
#[tokio::test]
async fn a_manifest_that_drips_is_given_up() {
    let registry = Registry::start();
    registry.push(&Layout::with_layers(&[layer(1, 10)]), "app");
    let proxy = Proxy::start(&registry.host, |_| Act::Drip(1)).await;
    let mut options = RegistryOptions::new(&proxy.host);
    options.http = true;
    let home = Home::with(|all| {
        all.registries = vec![options];
        all.timeouts.manifest = Duration::from_millis(300);
    });
    let error = home.pull(&format!("{}/app", proxy.host)).await.unwrap_err();
    is_kind(&error, ErrorCode::RegistryUnreachable);
    assert!(error.to_string().contains("not here after 300ms"), "{error}");
    assert_eq!(proxy.count("/manifests/"), 3, "as many as there are attempts");
}

#[tokio::test]
async fn an_endless_manifest_is_cut_off() {
    let proxy =
        Proxy::start("", |_| Act::Endless("HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n".into())).await;
    let home = Home::http(&proxy.host);
    let error = home.pull(&format!("{}/app", proxy.host)).await.unwrap_err();
    assert_eq!(error.code(), ErrorCode::ImageTooLarge, "{error}");
}

#[tokio::test]
async fn manifests_that_make_no_sense_are_refused() {
    let body = |text: &str| {
        let head = "HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length:";
        format!("{head} {}\r\n\r\n{text}", text.len())
    };
    let artifact = r#"{"schemaVersion":2,"config":{"mediaType":"application/wasm","digest":"sha256:0000000000000000000000000000000000000000000000000000000000000000","size":1},"layers":[]}"#;
    for (text, kind) in [
        ("", ErrorCode::ImageCorrupt),
        ("[]", ErrorCode::ImageCorrupt),
        ("{\"schemaVersion\":1}", ErrorCode::ImageUnsupported),
        ("{\"schemaVersion\":2}", ErrorCode::ImageCorrupt),
        (artifact, ErrorCode::ImageUnsupported),
        ("{\"schemaVersion\":2,\"manifests\":[]}", ErrorCode::ImagePlatform),
    ] {
        let answer = body(text);
        let proxy = Proxy::start("", move |_| Act::Answer(answer.clone())).await;
        let error = Home::http(&proxy.host).pull(&format!("{}/app", proxy.host)).await.unwrap_err();
        assert_eq!(error.code(), kind, "{text}: {error}");
    }
}

#[tokio::test]
async fn a_dropped_pull_leaves_a_partial_that_the_next_resumes() {
    let registry = Registry::start();
    let tars = [layer(1, 6_000_000)];
    registry.push(&Layout::with_layers(&tars), "app");
    let proxy = Proxy::start(&registry.host, |request| {
        if request.path.contains("/blobs/") && request.before == 0 {
            Act::Stall(3_000_000)
        } else {
            Act::Pass
        }
    })
    .await;
    let home = Home::http(&proxy.host);
    let reference = format!("{}/app", proxy.host);
    let first = tokio::time::timeout(Duration::from_secs(2), home.pull(&reference)).await;
    assert!(first.is_err(), "the proxy stalls");
    let left = home.blobs();
    assert_eq!(left.iter().filter(|name| name.contains('.')).count(), 1, "{left:?}");
    let image = home.pull(&reference).await.unwrap();
    assert_whole(&image, &tars);
    let resumed = &proxy.requests(&image.layers[0].digest)[1];
    assert!(resumed.head.to_lowercase().contains("range: bytes="), "{}", resumed.head);
    assert!(home.blobs().iter().all(|name| name.len() == 64));
}

#[tokio::test]
async fn a_damaged_partial_is_started_over() {
    let registry = Registry::start();
    let tars = [layer(1, 500_000)];
    let reference = registry.push(&Layout::with_layers(&tars), "app");
    let digest = Home::http(&registry.host).pull(&reference).await.unwrap().layers[0].digest.clone();
    for rubbish in [vec![0; 100_000], vec![0; 50_000_000]] {
        let home = Home::http(&registry.host);
        fs::write(home.blob_path(&digest).with_extension("partial"), rubbish).unwrap();
        assert_whole(&home.pull(&reference).await.unwrap(), &tars);
    }
}

#[tokio::test]
async fn what_drips_before_a_blob_and_after_an_error_is_not_waited_for() {
    let registry = Registry::start();
    registry.push(&Layout::with_layers(&[layer(1, 1000)]), "app");
    // Headers that never end, a byte at a time.
    let proxy = Proxy::start(&registry.host, |request| {
        if request.path.contains("/blobs/") {
            return Act::Trickle("HTTP/1.1 200 OK\r\nX-Long:".into());
        }
        Act::Pass
    })
    .await;
    let mut options = RegistryOptions::new(&proxy.host);
    options.http = true;
    let home = Home::with(|all| {
        all.registries = vec![options];
        all.attempts = 1;
        all.timeouts.manifest = Duration::from_millis(500);
    });
    let error = home.pull(&format!("{}/app", proxy.host)).await.unwrap_err();
    is_kind(&error, ErrorCode::RegistryUnreachable);
    assert!(error.to_string().contains("fetch blob"), "{error}");

    // What a refusal has to say is not worth more than some seconds.
    let proxy =
        Proxy::start("", |_| Act::Trickle("HTTP/1.1 404 Not Found\r\nContent-Length: 60000\r\n\r\n".into()))
            .await;
    let home = Home::http(&proxy.host);
    is_kind(&home.pull(&format!("{}/app", proxy.host)).await.unwrap_err(), ErrorCode::ImageNotFound);
}
