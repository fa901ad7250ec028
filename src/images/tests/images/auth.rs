//! Registries that ask who one is.

use boxlite_images::{Credentials, ErrorKind, RegistryOptions};

use crate::{
    fixture::{Home, Layout, assert_whole, layer},
    proxy::{Act, Proxy, answer},
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
        assert_eq!(error.kind(), ErrorKind::Unauthorized, "{error}");
        assert!(!format!("{error:?}").contains("wrong"), "no password is ever shown");
    }
    let home = with_credentials(&registry.host, Some(basic(PASSWORD)));
    assert_whole(&home.pull(&reference).await.unwrap(), &tars);
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
        let host = request
            .head
            .lines()
            .find_map(|line| line.to_lowercase().strip_prefix("host: ").map(str::to_owned));
        let realm = format!("http://{}/token", host.unwrap());
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
    assert_eq!(error.kind(), ErrorKind::Unauthorized, "{error}");
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
