//! Nothing but the user's image is ever fetched: every connection that a pull might make by the environment's proxies ends at
//! one that counts. A test starts itself once more as a process that has them.

use std::{fs, path::Path, process::Command};

use boxlite_error::ErrorCode;
use boxlite_images::{Error, ImageManager, ImageOptions, PullOptions, PullPolicy, RegistryOptions};

use crate::{
    environment::alone,
    fixture::{Layout, layer},
    layout::archive,
    proxy::{Act, Proxy},
    registry::{Registry, run},
    tunnel::Tunnel,
};

/// Lines of a policy and a source.
const PULLS: &str = "BOXLITE_TEST_PULLS";
const REMOTE: &str = "registry.invalid/app";

#[tokio::test]
#[ignore = "started by the tests of this file"]
async fn child_that_pulls() {
    let home = std::env::var("HOME").unwrap();
    let mut registry = RegistryOptions::new("registry.invalid");
    registry.http = true;
    let mut options = ImageOptions::default();
    options.registries = vec![registry];
    options.attempts = 1;
    let images = ImageManager::open(Path::new(&home).join("images"), options).unwrap();
    for line in std::env::var(PULLS).unwrap().lines() {
        let (policy, source) = line.split_once(' ').unwrap();
        let pulled = pull(&images, policy, source).await;
        assert!(pulled.is_ok(), "{line}: {pulled:?}");
    }
    // The store has only what was pulled, and says so without asking anybody.
    let error = pull(&images, "never", "elsewhere.invalid/app").await.unwrap_err();
    assert_eq!(error.code(), ErrorCode::ImageNotCached, "{error}");
    assert!(images.inspect("elsewhere.invalid/app", None).await.unwrap().is_none());
}

async fn pull(images: &ImageManager, policy: &str, source: &str) -> Result<(), Error> {
    let policy = match policy {
        "always" => PullPolicy::Always,
        "missing" => PullPolicy::Missing,
        _ => PullPolicy::Never,
    };
    images.pull(source, PullOptions::with_policy(policy)).await.map(drop)
}

/// A process that makes these pulls with its home in `home`, and would find all the world behind `trap`.
fn child(pulls: &[String], home: &Path, trap: &Tunnel) -> Command {
    let mut command = alone("air_gap::child_that_pulls", home);
    command.env(PULLS, pulls.join("\n"));
    for name in ["http_proxy", "https_proxy", "all_proxy"] {
        command.env(name, format!("http://{}", trap.host));
    }
    command
}

async fn succeeds(mut command: Command) {
    tokio::task::spawn_blocking(move || run(&mut command, "")).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn images_of_this_machine_need_no_connection() {
    let trap = Tunnel::closed().await;
    let layout = Layout::with_layers(&[layer(1, 100_000)]);
    let docker = archive(&layout, "docker-archive", ":app:v1");
    let dir = tempfile::tempdir().unwrap();
    let (rootfs, home) = (dir.path().join("rootfs"), dir.path().join("home"));
    fs::create_dir_all(rootfs.join("etc")).unwrap();
    fs::write(rootfs.join("etc/hostname"), "alone").unwrap();
    fs::create_dir(&home).unwrap();
    let tar = dir.path().join("rootfs.tar");
    fs::write(&tar, layer(2, 1000)).unwrap();
    let sources = [
        layout.source(),
        format!("docker-archive:{docker}"),
        format!("rootfs:{}", rootfs.display()),
        format!("rootfs:{}", tar.display()),
    ];
    let pulls = ["always", "missing", "never"];
    let pulls: Vec<_> = pulls
        .iter()
        .flat_map(|policy| sources.iter().map(move |source| format!("{policy} {source}")))
        .collect();
    succeeds(child(&pulls, &home, &trap)).await;
    assert_eq!(trap.asked(), [""; 0]);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_image_of_a_registry_needs_that_registry_and_once() {
    let trap = Tunnel::closed().await;
    let registry = Registry::start();
    registry.push(&Layout::with_layers(&[layer(1, 100_000)]), "app");
    let named = Proxy::start(&registry.host, |_| Act::Pass).await;
    let home = tempfile::tempdir().unwrap();
    let mut command = child(&[format!("missing {REMOTE}")], home.path(), &trap);
    command.env("http_proxy", format!("http://{}", named.host));
    succeeds(command).await;
    let requests = named.requests("");
    assert!(requests.len() >= 3, "manifest, config and layer: {requests:?}");
    let own = format!("http://{}/", REMOTE.replace("/app", "/v2/app"));
    assert!(requests.iter().all(|request| request.path.starts_with(&own)), "{requests:?}");

    // The registry is gone.
    drop(registry);
    let cached = ["missing", "never"].map(|policy| format!("{policy} {REMOTE}"));
    succeeds(child(&cached, home.path(), &trap)).await;
    assert_eq!(trap.asked(), [""; 0]);
    assert_eq!(named.requests("").len(), requests.len());
}

/// What the others go by: who does ask for something is seen.
#[tokio::test(flavor = "multi_thread")]
async fn the_trap_sees_who_asks() {
    for source in [REMOTE, "elsewhere.invalid/app"] {
        let trap = Tunnel::closed().await;
        let home = tempfile::tempdir().unwrap();
        let mut command = child(&[format!("missing {source}")], home.path(), &trap);
        let output = tokio::task::spawn_blocking(move || command.output()).await.unwrap().unwrap();
        assert!(!output.status.success(), "{source}");
        assert!(!trap.asked().is_empty(), "{source}: {}", String::from_utf8_lossy(&output.stdout));
    }
}
