//! Mirrors, short names, and the room that a pull needs.

use std::time::Duration;

use boxlite_error::ErrorCode;
use boxlite_images::RegistryOptions;

use crate::{
    fixture::{Home, Layout, assert_whole, layer},
    proxy::{Act, Proxy, answer},
    registry::Registry,
};

fn http(host: &str) -> RegistryOptions {
    let mut options = RegistryOptions::new(host);
    options.http = true;
    options
}

#[tokio::test]
async fn a_mirror_that_is_away_or_sends_wrong_bytes_is_left() {
    let registry = Registry::start();
    let tars = [layer(1, 200_000)];
    registry.push(&Layout::with_layers(&tars), "team/app");
    let wrong = Proxy::start(&registry.host, |request| {
        if request.path.contains("/blobs/") { Act::Flip(100_000) } else { Act::Pass }
    })
    .await;
    let refusing = Proxy::start(&registry.host, |_| answer("403 Forbidden", "")).await;
    for mirror in [&wrong.host, &refusing.host, "127.0.0.1:1"] {
        let mut main = http(&registry.host);
        main.mirrors = vec![mirror.to_owned()];
        let home = Home::new(vec![main, http(mirror)]);
        let image = home.pull(&format!("{}/team/app", registry.host)).await.unwrap();
        assert_whole(&image, &tars);
    }
    assert!(wrong.count("/blobs/") > 0 && refusing.count("/manifests/") == 1);
}

#[tokio::test]
async fn a_mirror_has_a_path_of_its_own() {
    let registry = Registry::start();
    let tars = [layer(1, 1000)];
    registry.push(&Layout::with_layers(&tars), "cache/hub/library/app");
    let mut main = RegistryOptions::new("docker.io");
    main.mirrors = vec![format!("{}/cache/hub", registry.host)];
    let home = Home::new(vec![main, http(&registry.host)]);
    let image = home.pull("app").await.unwrap();
    assert_eq!(image.reference, "docker.io/library/app:latest");
    assert_whole(&image, &tars);
}

#[tokio::test]
async fn a_short_name_is_the_first_that_is_found_and_stays_that() {
    let (first, second) = (Registry::start(), Registry::start());
    let tars = [layer(1, 1000)];
    second.push(&Layout::with_layers(&tars), "app");
    let home = Home::with(|all| {
        all.registries = vec![http(&first.host), http(&second.host)];
        all.search = vec![first.host.clone(), second.host.clone()];
    });
    let found = format!("{}/app:latest", second.host);
    assert_eq!(home.pull("app").await.unwrap().reference, found);
    first.push(&Layout::with_layers(&[layer(2, 1000)]), "app");
    assert_eq!(home.pull("app").await.unwrap().reference, found);
    assert_eq!(home.images.inspect("app", None).await.unwrap().unwrap().reference, found);
    assert!(home.images.remove("app").await.unwrap());
    assert_eq!(home.pull("app").await.unwrap().reference, format!("{}/app:latest", first.host));
    assert_eq!(home.pull("nothing").await.unwrap_err().code(), ErrorCode::ImageNotFound);
}

#[tokio::test]
async fn a_pull_without_room_is_refused_before_it_starts() {
    let registry = Registry::start();
    let reference = registry.push(&Layout::with_layers(&[layer(1, 100_000)]), "app");
    let home = Home::with(|all| {
        all.registries = vec![http(&registry.host)];
        all.reserve_bytes = u64::MAX;
    });
    let error = home.pull(&reference).await.unwrap_err();
    assert_eq!(error.code(), ErrorCode::StorageFull, "{error}");
    assert!(home.blobs().is_empty());
}

#[tokio::test]
async fn a_blob_that_only_drips_is_given_up() {
    let registry = Registry::start();
    registry.push(&Layout::with_layers(&[layer(1, 100_000)]), "app");
    let proxy = Proxy::start(&registry.host, |request| {
        if request.path.contains("/blobs/") { Act::Drip(100) } else { Act::Pass }
    })
    .await;
    let home = Home::with(|all| {
        all.registries = vec![http(&proxy.host)];
        all.timeouts.drip = Duration::from_millis(400);
        all.attempts = 1;
    });
    let error = home.pull(&format!("{}/app", proxy.host)).await.unwrap_err();
    assert_eq!(error.code(), ErrorCode::RegistryUnreachable, "{error}");
    assert!(error.to_string().contains("bytes in 400 ms"), "{error}");
}
