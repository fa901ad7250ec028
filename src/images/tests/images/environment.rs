//! What the user's environment says: credentials of docker and podman, their helpers, and proxies. Each test starts itself
//! once more as a process with an environment of its own.

use std::{fs, os::unix::fs::PermissionsExt, path::Path, process::Command, time::Duration};

use boxlite_images::RegistryOptions;

use crate::{
    fixture::{Home, Layout, layer},
    proxy::{Act, Proxy},
    registry::{PASSWORD, Registry, USER, run},
    tunnel::Tunnel,
};

const CHILD: &str = "BOXLITE_TEST_ENVIRONMENT";

#[tokio::test]
#[ignore = "started by the tests of this file"]
async fn child_that_pulls() {
    let reference = std::env::var(CHILD).unwrap();
    let home = Home::with(|options| {
        let mut registry = RegistryOptions::new(reference.split_once('/').unwrap().0);
        registry.http = std::env::var_os("SSL_CERT_FILE").is_none_or(|file| !Path::new(&file).exists());
        options.registries = vec![registry];
        options.docker_credentials = true;
    });
    home.pull(&reference).await.unwrap();
}

fn child(reference: &str, home: &Path) -> Command {
    let mut command = alone("environment::child_that_pulls", home);
    command.env(CHILD, reference);
    command
}

/// A test of this program as a process that has nothing of this one's environment that pulls go by.
pub(crate) fn alone(test: &str, home: &Path) -> Command {
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.args(["--ignored", "--exact", test]);
    for name in ["DOCKER_CONFIG", "REGISTRY_AUTH_FILE", "XDG_RUNTIME_DIR", "SSL_CERT_FILE", "SSL_CERT_DIR"] {
        command.env_remove(name);
    }
    for name in ["HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY", "REQUEST_METHOD"] {
        command.env_remove(name).env_remove(name.to_lowercase());
    }
    command.env("HOME", home);
    command
}

/// `tester:secret` in base64.
fn auths(host: &str) -> String {
    format!("{{\"auths\":{{\"{host}\":{{\"auth\":\"dGVzdGVyOnNlY3JldA==\"}}}}}}")
}

#[tokio::test]
async fn credentials_of_docker_and_podman_and_of_a_helper() {
    let registry = Registry::with_password();
    let reference = registry.push(&Layout::with_layers(&[layer(1, 1000)]), "private/app");
    let dir = tempfile::tempdir().unwrap();
    let home = dir.path();
    let failed = child(&reference, home).output().unwrap();
    assert!(!failed.status.success(), "nobody logged in");

    let docker = home.join("docker");
    fs::create_dir(&docker).unwrap();
    fs::write(docker.join("config.json"), auths(&registry.host)).unwrap();
    run(child(&reference, home).env("DOCKER_CONFIG", &docker), "");

    let podman = home.join("auth.json");
    fs::write(&podman, auths(&registry.host)).unwrap();
    run(child(&reference, home).env("REGISTRY_AUTH_FILE", &podman), "");

    let helper = home.join("docker-credential-tester");
    let says = format!("{{\"ServerURL\":\"\",\"Username\":\"{USER}\",\"Secret\":\"{PASSWORD}\"}}");
    fs::write(&helper, format!("#!/bin/sh\ncat >/dev/null\necho '{says}'\n")).unwrap();
    fs::set_permissions(&helper, fs::Permissions::from_mode(0o755)).unwrap();
    let asks = format!("{{\"credHelpers\":{{\"{}\":\"tester\"}}}}", registry.host);
    fs::write(docker.join("config.json"), asks).unwrap();
    let path = format!("{}:{}", home.display(), std::env::var("PATH").unwrap());
    run(child(&reference, home).env("DOCKER_CONFIG", &docker).env("PATH", path), "");
}

/// A helper that asks its user, who is away, holds nobody up for ever, and is gone with the pull.
#[tokio::test]
#[ignore = "started by a_helper_that_hangs"]
async fn child_that_gives_up() {
    let reference = std::env::var(CHILD).unwrap();
    let home = Home::with(|options| options.docker_credentials = true);
    let pull = tokio::spawn(async move { home.pull(&reference).await });
    let pid = std::env::temp_dir().join("pid");
    let running = || {
        fs::read_to_string(&pid).ok().filter(|pid| Path::new(&format!("/proc/{}/exe", pid.trim())).exists())
    };
    while running().is_none() {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    pull.abort();
    while running().is_some() {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

#[tokio::test]
async fn a_helper_that_hangs() {
    let dir = tempfile::tempdir().unwrap();
    let home = dir.path();
    let helper = home.join("docker-credential-tester");
    fs::write(
        &helper,
        format!("#!/bin/sh\necho $$ >{0}/new; mv {0}/new {0}/pid; exec sleep 600\n", home.display()),
    )
    .unwrap();
    fs::set_permissions(&helper, fs::Permissions::from_mode(0o755)).unwrap();
    fs::write(home.join("config.json"), "{\"credsStore\":\"tester\"}").unwrap();
    let path = format!("{}:{}", home.display(), std::env::var("PATH").unwrap());
    let mut command = alone("environment::child_that_gives_up", home);
    command.env(CHILD, "127.0.0.1:1/app").env("TMPDIR", home).env("DOCKER_CONFIG", home).env("PATH", path);
    run(&mut command, "");
}

/// A system without certificate authorities, as small containers are, can use what isn't encrypted.
#[tokio::test]
async fn a_system_that_trusts_nobody() {
    let registry = Registry::start();
    let reference = registry.push(&Layout::with_layers(&[layer(1, 1000)]), "app");
    let dir = tempfile::tempdir().unwrap();
    let mut command = child(&reference, dir.path());
    command.env("SSL_CERT_FILE", dir.path().join("none")).env("SSL_CERT_DIR", dir.path().join("nowhere"));
    run(&mut command, "");
}

#[tokio::test]
async fn an_authority_that_the_system_trusts() {
    let (registry, certificate) = Registry::with_tls();
    let reference = registry.push(&Layout::with_layers(&[layer(1, 1000)]), "app");
    let dir = tempfile::tempdir().unwrap();
    run(child(&reference, dir.path()).env("SSL_CERT_FILE", certificate), "");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_proxy_of_the_environment() {
    let registry = Registry::start();
    registry.push(&Layout::with_layers(&[layer(1, 1000)]), "app");
    let proxy = Proxy::start(&registry.host, |_| Act::Pass).await;
    let dir = tempfile::tempdir().unwrap();
    let mut command = child("registry.invalid/app", dir.path());
    command.env("http_proxy", format!("http://{}", proxy.host));
    tokio::task::spawn_blocking(move || run(&mut command, "")).await.unwrap();
    assert!(proxy.count("http://registry.invalid/v2/app/") >= 3);
}

/// The proxy is asked for a line to the registry by its name, and what goes over the line is between registry and client.
#[tokio::test(flavor = "multi_thread")]
async fn a_proxy_for_encrypted_connections() {
    let (registry, certificate) = Registry::with_tls();
    registry.push(&Layout::with_layers(&[layer(1, 1_000_000)]), "app");
    for name in ["HTTPS_PROXY", "https_proxy", "ALL_PROXY"] {
        let tunnel = Tunnel::start(&registry.host).await;
        let dir = tempfile::tempdir().unwrap();
        let mut command = child("registry.invalid/app", dir.path());
        command.env("SSL_CERT_FILE", &certificate).env(name, format!("http://{}", tunnel.host));
        tokio::task::spawn_blocking(move || run(&mut command, "")).await.unwrap();
        let mut asked = tunnel.asked();
        // A connection that was one too many may have been dropped before it said anything.
        asked.retain(|line| !line.is_empty());
        assert!(!asked.is_empty(), "{name} is not used");
        assert!(asked.iter().all(|line| line.starts_with("CONNECT registry.invalid:443 ")), "{asked:?}");
    }
}
