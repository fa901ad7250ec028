//! Registries that ask who one is.

use std::time::Duration;

use boxlite_error::ErrorCode;
use boxlite_images::{Credentials, RegistryOptions};

use crate::{
    fixture::{Home, Layout, assert_whole, layer},
    proxy::{Act, Proxy, Request, answer},
    registry::{PASSWORD, Registry, USER},
};

fn with_credentials(host: &str, credentials: Option<Credentials>) -> Home {
    let mut options = RegistryOptions::new(host);
    options.http = true;
    options.credentials = credentials;
    Home::new(vec![options])
}

fn basic(password: &str) -> Credentials {
    Credentials::Basic { username: USER.into(), password: password.into() }
}

#[tokio::test]
async fn basic_authentication() {
    let registry = Registry::with_password();
    let tars = [layer(1, 1000)];
    let reference = registry.push(&Layout::with_layers(&tars), "private/app");
    for credentials in [None, Some(basic("wrong"))] {
        let home = with_credentials(&registry.host, credentials);
        let error = home.pull(&reference).await.unwrap_err();
        assert_eq!(error.code(), ErrorCode::ImageUnauthorized, "{error}");
        assert!(!format!("{error:?}").contains("wrong"), "no password is ever shown");
    }
    let home = with_credentials(&registry.host, Some(basic(PASSWORD)));
    assert_whole(&home.pull(&reference).await.unwrap(), &tars);
}

/// The host that a request was meant for.
fn host_of(request: &Request) -> String {
    let found =
        request.head.lines().find_map(|line| line.to_lowercase().strip_prefix("host: ").map(str::to_owned));
    found.unwrap()
}

/// A token service in front of a registry; `login` is what it wants to see in the request for a token.
async fn token_proxy(registry: &Registry, login: &'static str) -> Proxy {
    Proxy::start(&registry.host, move |request| {
        if request.path.starts_with("/token") {
            let asked =
                request.path.contains("scope=repository%3Aapp%3Apull") || request.head.starts_with("POST");
            if !asked || !request.head.to_lowercase().contains(&login.to_lowercase()) {
                return answer("401 Unauthorized", "");
            }
            let body = format!("{{\"token\":\"token-{}\",\"expires_in\":300}}", request.before);
            return Act::Answer(format!(
                "HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: {}\r\n\r\n{body}",
                body.len()
            ));
        }
        // The first token is withdrawn after the manifest: the client must get another.
        let good = if request.path.contains("/blobs/") { "bearer token-1" } else { "bearer token-" };
        if request.head.to_lowercase().contains(good) {
            return Act::Pass;
        }
        let host = host_of(request);
        let realm = format!("http://{host}/token");
        let challenge = format!(
            "WWW-Authenticate: Bearer realm=\"{realm}\",service=\"s\",scope=\"repository:app:pull\"\r\n"
        );
        answer("401 Unauthorized", &challenge)
    })
    .await
}

#[tokio::test]
async fn bearer_tokens_are_fetched_reused_and_renewed() {
    let registry = Registry::start();
    let tars = [layer(1, 1000), layer(2, 1000), layer(3, 1000)];
    registry.push(&Layout::with_layers(&tars), "app");
    // `tester:secret` in base64.
    for (login, credentials) in
        [("host:", None), ("authorization: basic dGVzdGVyOnNlY3JldA==", Some(basic(PASSWORD)))]
    {
        let proxy = token_proxy(&registry, login).await;
        let home = with_credentials(&proxy.host, credentials);
        assert_whole(&home.pull(&format!("{}/app", proxy.host)).await.unwrap(), &tars);
        assert!((2..=5).contains(&proxy.count("/token")), "{}", proxy.count("/token"));
    }
    let proxy = token_proxy(&registry, "authorization: basic bm9ib2R5").await;
    let home = with_credentials(&proxy.host, Some(basic("wrong")));
    let error = home.pull(&format!("{}/app", proxy.host)).await.unwrap_err();
    assert_eq!(error.code(), ErrorCode::ImageUnauthorized, "{error}");
}

#[tokio::test]
async fn identity_tokens_are_exchanged() {
    let registry = Registry::start();
    let tars = [layer(1, 1000)];
    registry.push(&Layout::with_layers(&tars), "app");
    let proxy = token_proxy(&registry, "content-type: application/x-www-form-urlencoded").await;
    let home = with_credentials(&proxy.host, Some(Credentials::IdentityToken("refresh me".into())));
    assert_whole(&home.pull(&format!("{}/app", proxy.host)).await.unwrap(), &tars);
}

/// `tester:secret` in base64, and the refresh token of the tests below.
const SECRETS: [&str; 3] = ["dGVzdGVyOnNlY3JldA==", PASSWORD, "refresh-me"];

#[tokio::test]
async fn where_a_registry_sends_us_hears_no_secret() {
    let registry = Registry::start();
    registry.push(&Layout::with_layers(&[layer(1, 1000)]), "app");
    for credentials in [basic(PASSWORD), Credentials::IdentityToken("refresh-me".into())] {
        // Asks for a password, and would take any token request.
        let elsewhere = Proxy::start("", |request| {
            let host = host_of(request);
            let challenge = format!(
                "WWW-Authenticate: Bearer realm=\"http://{host}/token\",service=\"s\"\r\nWWW-Authenticate: Basic realm=\"x\"\r\n"
            );
            answer("401 Unauthorized", &challenge)
        })
        .await;
        let away = elsewhere.host.clone();
        // The registry asks for a login first, so that there is something to take along.
        let proxy = Proxy::start(&registry.host, move |request| {
            if request.path.starts_with("/token") {
                let body = "{\"token\":\"token-of-the-registry\"}";
                let length = body.len();
                return Act::Answer(format!(
                    "HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: {length}\r\n\r\n{body}"
                ));
            }
            if !request.head.to_lowercase().contains("authorization: bearer token-of-the-registry") {
                let host = host_of(request);
                let challenge = format!("WWW-Authenticate: Bearer realm=\"http://{host}/token\"\r\n");
                return answer("401 Unauthorized", &challenge);
            }
            if request.path.contains("/blobs/") {
                return answer(
                    "307 Temporary Redirect",
                    &format!("Location: http://{away}{}\r\n", request.path),
                );
            }
            Act::Pass
        })
        .await;
        let home = with_credentials(&proxy.host, Some(credentials));
        let error = home.pull(&format!("{}/app", proxy.host)).await.unwrap_err();
        assert_eq!(error.code(), ErrorCode::ImageUnauthorized, "{error}");
        assert!(error.to_string().contains("to which the registry redirects"), "{error}");
        assert!(proxy.count("/token") > 0 && elsewhere.count("/blobs/") > 0);
        assert_eq!(elsewhere.count("/token"), 0, "nobody else's challenge is answered");
        for request in elsewhere.requests("/") {
            assert!(!request.head.to_lowercase().contains("authorization"), "{}", request.head);
        }
    }
}

#[tokio::test]
async fn what_a_token_service_redirects_to_hears_no_secret() {
    for credentials in [basic(PASSWORD), Credentials::IdentityToken("refresh-me".into())] {
        let elsewhere = Proxy::start("", |_| answer("200 OK", "")).await;
        let away = elsewhere.host.clone();
        let proxy = Proxy::start("", move |request| {
            if request.path.starts_with("/token") {
                return answer("307 Temporary Redirect", &format!("Location: http://{away}/token\r\n"));
            }
            let host = host_of(request);
            answer("401 Unauthorized", &format!("WWW-Authenticate: Bearer realm=\"http://{host}/token\"\r\n"))
        })
        .await;
        let home = with_credentials(&proxy.host, Some(credentials));
        let error = home.pull(&format!("{}/app", proxy.host)).await.unwrap_err();
        assert!(SECRETS.iter().all(|secret| !format!("{error:?}").contains(secret)), "{error:?}");
        assert_eq!((proxy.count("/token"), elsewhere.count("/")), (1, 0));
    }
}

#[tokio::test]
async fn a_token_that_drips_is_not_waited_for() {
    let proxy = Proxy::start("", |request| {
        if request.path.starts_with("/token") {
            return Act::Trickle("HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n".into());
        }
        let host = host_of(request);
        answer("401 Unauthorized", &format!("WWW-Authenticate: Bearer realm=\"http://{host}/token\"\r\n"))
    })
    .await;
    let mut options = RegistryOptions::new(&proxy.host);
    options.http = true;
    let home = Home::with(|all| {
        all.registries = vec![options];
        all.attempts = 1;
        all.timeouts.login = Duration::from_millis(200);
    });
    let error = home.pull(&format!("{}/app", proxy.host)).await.unwrap_err();
    assert_eq!(error.code(), ErrorCode::RegistryUnreachable, "{error}");
    assert!(error.to_string().contains("log in to"), "{error}");
}
