//! The store on a disk that is damaged, full, or shared with a killed process.

use std::{
    fs,
    process::{Command, Stdio},
    time::{Duration, Instant},
};

use boxlite_error::ErrorCode;
use boxlite_images::{ImageManager, ImageOptions, PullOptions};

use crate::{
    fixture::{Home, Layout, assert_whole, layer},
    proxy::{Act, Proxy},
    registry::{Registry, run},
};

const CHILD: &str = "BOXLITE_TEST_STORE";

#[tokio::test]
async fn damage_on_the_disk_is_found_told_and_mended() {
    let registry = Registry::start();
    let tars = [layer(1, 100_000), layer(2, 100_000)];
    registry.push(&Layout::with_layers(&tars), "app");
    let proxy = Proxy::start(&registry.host, |_| Act::Pass).await;
    let home = Home::http(&proxy.host);
    let reference = format!("{}/app", proxy.host);
    let image = home.pull(&reference).await.unwrap();
    home.images.verify(&image).await.unwrap();

    let victim = &image.layers[1];
    let mut bytes = fs::read(&victim.path).unwrap();
    bytes[1000] ^= 1;
    fs::write(&victim.path, bytes).unwrap();
    let error = home.images.verify(&image).await.unwrap_err();
    assert_eq!(error.code(), ErrorCode::ImageCorrupt);
    assert!(error.to_string().contains(&victim.digest), "{error}");
    assert_whole(&home.pull(&reference).await.unwrap(), &tars);
    assert_eq!(proxy.count(&victim.digest), 2);
    assert_eq!(proxy.count(&image.layers[0].digest), 1, "only what was damaged is fetched again");

    fs::write(&victim.path, "short").unwrap();
    assert_whole(&home.pull(&reference).await.unwrap(), &tars);
    fs::write(home.blob_path(&image.digest), "{}").unwrap();
    assert_whole(&home.pull(&reference).await.unwrap(), &tars);
    fs::write(home.dir.path().join("images/index.json"), "{ nonsense").unwrap();
    assert_whole(&home.pull(&reference).await.unwrap(), &tars);
    assert_eq!(proxy.count(&victim.digest), 3);
}

#[tokio::test]
#[ignore = "started by a_full_disk"]
async fn child_with_a_full_disk() {
    let source = std::env::var(CHILD).unwrap();
    let home = Home::new(vec![]);
    let error = home.pull(&source).await.unwrap_err();
    assert_eq!(error.code(), ErrorCode::StorageFull, "{error}");
    assert!(home.images.list().await.unwrap().is_empty());
}

#[test]
fn a_full_disk() {
    let dir = tempfile::tempdir().unwrap();
    let layout = Layout::with_layers(&[layer(1, 6_000_000)]);
    let script = "mount -t tmpfs -o size=4m none \"$1\" && TMPDIR=\"$1\" exec \"$2\" --ignored --exact store::child_with_a_full_disk";
    let mut command = Command::new("unshare");
    command.args(["--user", "--map-root-user", "--mount", "sh", "-c", script, "sh"]).arg(dir.path());
    command.arg(std::env::current_exe().unwrap()).env(CHILD, layout.source());
    run(&mut command, "util-linux");
}

#[tokio::test]
#[ignore = "started by a_killed_pull_is_resumed"]
async fn child_that_pulls() {
    let words = std::env::var(CHILD).unwrap();
    let (dir, reference) = words.split_once(' ').unwrap();
    let mut options = ImageOptions::default();
    let mut registry = boxlite_images::RegistryOptions::new(reference.split_once('/').unwrap().0);
    registry.http = true;
    options.registries = vec![registry];
    let images = ImageManager::open(dir, options).unwrap();
    images.pull(reference, PullOptions::default()).await.unwrap();
}

#[tokio::test]
async fn a_killed_pull_is_resumed() {
    let registry = Registry::start();
    let tars = [layer(1, 8_000_000), layer(2, 8_000_000)];
    registry.push(&Layout::with_layers(&tars), "app");
    let proxy = Proxy::start(&registry.host, |request| {
        if request.path.contains("/blobs/") && request.before == 0 {
            Act::Stall(5_000_000)
        } else {
            Act::Pass
        }
    })
    .await;
    let home = Home::http(&proxy.host);
    let reference = format!("{}/app", proxy.host);
    let mut child = Command::new(std::env::current_exe().unwrap())
        .args(["--ignored", "--exact", "store::child_that_pulls"])
        .env(CHILD, format!("{} {reference}", home.dir.path().join("images").display()))
        .stdout(Stdio::null())
        .spawn()
        .unwrap();
    let arrived = || {
        let files = fs::read_dir(home.dir.path().join("images/blobs/sha256")).unwrap();
        files.map(|file| file.unwrap().metadata().map_or(0, |meta| meta.len())).sum::<u64>()
    };
    let start = Instant::now();
    while arrived() < 8_000_000 {
        assert!(start.elapsed() < Duration::from_mins(1), "{}", arrived());
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    child.kill().unwrap();
    child.wait().unwrap();
    let image = home.pull(&reference).await.unwrap();
    assert_whole(&image, &tars);
    for layer in &image.layers {
        let resumed = &proxy.requests(&layer.digest)[1];
        assert!(resumed.head.to_lowercase().contains("range: bytes="), "{}", resumed.head);
    }
}
