//! Pulls that go well.

use std::{
    fs,
    sync::{Arc, Mutex},
};

use boxlite_error::ErrorCode;
use boxlite_images::{Platform, ProgressSink, PullEvent, PullOptions, PullPolicy};

use crate::{
    fixture::{Home, Layout, assert_whole, host_architecture, layer},
    proxy::{Act, Proxy},
    registry::Registry,
};

#[tokio::test]
async fn an_image_arrives_whole_with_its_configuration() {
    let tars = [layer(1, 3_000_000), layer(2, 10), layer(3, 100_000)];
    let registry = Registry::start();
    let reference = registry.push(&Layout::with_layers(&tars), "some/app:v1");
    let home = Home::http(&registry.host);
    let image = home.pull(&reference).await.unwrap();
    assert_whole(&image, &tars);
    assert_eq!(image.reference, reference);
    let config = &image.config;
    assert_eq!(config.env, ["PATH=/bin", "A=1"]);
    assert_eq!(
        (&config.entrypoint[..], &config.cmd[..]),
        (&["/bin/sh".to_owned(), "-c".into()][..], &[][..])
    );
    assert_eq!(config.user.as_deref(), Some("1000:1000"));
    assert_eq!(config.working_dir.as_deref(), Some("/srv"));
    assert_eq!(config.stop_signal.as_deref(), Some("SIGINT"));
    assert_eq!(config.exposed_ports, ["53/udp", "80/tcp"]);
    assert_eq!(config.volumes, ["/data"]);
    assert_eq!(config.labels["a"], "b");
    assert_eq!(config.healthcheck.as_ref().unwrap().test, ["CMD", "true"]);
    assert!(home.blobs().iter().all(|name| name.len() == 64), "no temporary files: {:?}", home.blobs());
}

#[tokio::test]
async fn policies_say_when_to_ask_the_registry() {
    let registry = Registry::start();
    let old = [layer(1, 1000)];
    let new = [layer(2, 1000)];
    let reference = registry.push(&Layout::with_layers(&old), "app");
    let home = Home::http(&registry.host);
    let error = home.pull_with(&reference, PullPolicy::Never).await.unwrap_err();
    assert_eq!(error.code(), ErrorCode::ImageNotCached);
    assert_whole(&home.pull(&reference).await.unwrap(), &old);
    registry.push(&Layout::with_layers(&new), "app");
    assert_whole(&home.pull(&reference).await.unwrap(), &old);
    assert_whole(&home.pull_with(&reference, PullPolicy::Never).await.unwrap(), &old);
    assert_whole(&home.pull_with(&reference, PullPolicy::Always).await.unwrap(), &new);
    drop(registry);
    assert_whole(&home.pull(&reference).await.unwrap(), &new);
}

#[tokio::test]
async fn the_platform_is_chosen_and_a_missing_one_is_told() {
    let mut layout = Layout::new();
    let (arm, mine) = ([layer(1, 100)], [layer(2, 100)]);
    let images = [layout.image("s390x", &arm), layout.image(&host_architecture(), &mine)];
    let index = layout.index(&images);
    layout.name("latest", index);
    let registry = Registry::start();
    let reference = registry.push(&layout, "multi");
    let home = Home::http(&registry.host);
    let image = home.pull(&reference).await.unwrap();
    assert_whole(&image, &mine);
    assert_eq!(image.platform, Platform::host());
    let mut options = PullOptions::default();
    options.platform = Some(Platform { os: "linux".into(), architecture: "s390x".into(), variant: None });
    assert_whole(&home.images.pull(&reference, options.clone()).await.unwrap(), &arm);
    assert_whole(&home.pull(&reference).await.unwrap(), &mine);
    options.platform.as_mut().unwrap().architecture = "mips64".into();
    let error = home.images.pull(&reference, options).await.unwrap_err();
    assert_eq!(error.code(), ErrorCode::ImagePlatform);
    let text = error.to_string();
    assert!(text.contains("linux/mips64") && text.contains("linux/s390x"), "{text}");

    // An image without an index tells its platform only in its configuration.
    let mut single = Layout::new();
    let image = single.image("s390x", &arm);
    single.name("latest", image);
    let reference = registry.push(&single, "foreign");
    let error = home.pull(&reference).await.unwrap_err();
    assert_eq!(error.code(), ErrorCode::ImagePlatform);
    assert!(error.to_string().contains("linux/s390x"), "{error}");
}

#[tokio::test]
async fn an_image_can_be_pinned_by_digest() {
    let registry = Registry::start();
    let tars = [layer(1, 1000)];
    let tagged = registry.push(&Layout::with_layers(&tars), "app:v1");
    let home = Home::http(&registry.host);
    let digest = home.pull(&tagged).await.unwrap().digest;
    let name = tagged.trim_end_matches(":v1");
    let pinned = home.pull(&format!("{name}@{digest}")).await.unwrap();
    assert_eq!(pinned.digest, digest);
    let other = format!("{name}@sha256:{}", "0".repeat(64));
    assert_eq!(home.pull(&other).await.unwrap_err().code(), ErrorCode::ImageNotFound);
}

#[tokio::test]
async fn pulls_at_the_same_time_do_the_work_once() {
    let registry = Registry::start();
    let (shared, own) = (layer(1, 2_000_000), layer(2, 1000));
    registry.push(&Layout::with_layers(std::slice::from_ref(&shared)), "one");
    registry.push(&Layout::with_layers(&[shared.clone(), own.clone()]), "two");
    let proxy = Proxy::start(&registry.host, |_| Act::Pass).await;
    let home = Home::http(&proxy.host);
    let (one, two) = (format!("{}/one", proxy.host), format!("{}/two", proxy.host));
    let pulls = (0..20).map(|n| home.pull(if n % 2 == 0 { &one } else { &two }));
    for (n, image) in futures::future::join_all(pulls).await.into_iter().enumerate() {
        let tars = [shared.clone(), own.clone()];
        assert_whole(&image.unwrap(), &tars[..=n % 2]);
    }
    assert_eq!(proxy.count("/manifests/"), 2);
    assert_eq!(proxy.count("/blobs/"), 4, "two configurations, the shared layer and the other");
}

#[tokio::test]
async fn progress_is_told_from_first_to_last() {
    let registry = Registry::start();
    let reference = registry.push(&Layout::with_layers(&[layer(1, 5_000_000), layer(2, 10)]), "app");
    let home = Home::http(&registry.host);
    let events = Arc::new(Mutex::new(Vec::new()));
    let mut options = PullOptions::default();
    let heard = Arc::clone(&events);
    options.progress = Some(ProgressSink::new(move |event| heard.lock().unwrap().push(event)));
    let image = home.images.pull(&reference, options).await.unwrap();
    let events = events.lock().unwrap();
    assert!(matches!(&events[0], PullEvent::Resolving { .. }));
    assert!(matches!(&events[1], PullEvent::Resolved { layers: 2, .. }));
    assert_eq!(events.last(), Some(&PullEvent::Done { digest: image.digest.clone() }));
    for layer in &image.layers {
        let done = PullEvent::LayerDone { digest: layer.digest.clone(), cached: false };
        assert!(events.contains(&done));
        let last = PullEvent::LayerProgress { digest: layer.digest.clone(), bytes: layer.size };
        assert!(events.contains(&last));
    }
}

#[tokio::test]
async fn removal_spares_what_others_use() {
    let registry = Registry::start();
    let (shared, own) = (layer(1, 1000), layer(2, 1000));
    let one = registry.push(&Layout::with_layers(std::slice::from_ref(&shared)), "one");
    let two = registry.push(&Layout::with_layers(&[shared.clone(), own]), "two");
    let home = Home::http(&registry.host);
    home.pull(&one).await.unwrap();
    home.pull(&two).await.unwrap();
    assert_eq!(home.blobs().len(), 6);
    assert_eq!(home.images.list().await.unwrap().len(), 2);
    assert!(home.images.remove(&two).await.unwrap());
    assert!(!home.images.remove(&two).await.unwrap());
    assert_eq!(home.blobs().len(), 3);
    let image = home.images.inspect(&one, None).await.unwrap().unwrap();
    assert_whole(&image, std::slice::from_ref(&shared));
    assert!(home.images.remove(&one).await.unwrap());
    assert_whole(&image, &[shared]);
    drop(image);
    home.images.prune(|_| false).await.unwrap();
    assert!(home.blobs().is_empty(), "an image in someone's hands kept its blobs");
    assert!(
        fs::read_to_string(home.dir.path().join("images/index.json")).unwrap().contains("\"images\": []")
    );
}
