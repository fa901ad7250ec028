//! Debian's docker-registry on a loopback port, filled by skopeo.

use std::{
    fs,
    net::{TcpListener, TcpStream},
    path::PathBuf,
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

use tempfile::TempDir;

use crate::fixture::Layout;

/// A running registry; it ends with the value.
pub(crate) struct Registry {
    pub(crate) host: String,
    dir: TempDir,
    process: Child,
    push: Vec<String>,
}

/// `secret`, by bcrypt, as docker-registry wants it.
const HTPASSWD: &str = "$2y$04$1CF/bd8Bs1TRDAiIpbxHG.gMXT7ZfgBxN0eBnNsDRxbJnJiS8NbpS";
pub(crate) const USER: &str = "tester";
pub(crate) const PASSWORD: &str = "secret";

impl Registry {
    pub(crate) fn start() -> Self {
        Self::start_with(|_| String::new(), &["--dest-tls-verify=false"])
    }

    /// Wants USER and PASSWORD.
    pub(crate) fn with_password() -> Self {
        let credentials = format!("--dest-creds={USER}:{PASSWORD}");
        Self::start_with(
            |dir| {
                let file = dir.path().join("htpasswd");
                fs::write(&file, format!("{USER}:{HTPASSWD}\n")).unwrap();
                format!("auth: {{ htpasswd: {{ realm: test, path: \"{}\" }} }}\n", file.display())
            },
            &["--dest-tls-verify=false", &credentials],
        )
    }

    /// Speaks TLS; the file is its certificate, which signs itself.
    pub(crate) fn with_tls() -> (Self, PathBuf) {
        let mut certificate = PathBuf::new();
        let registry = Self::start_with(
            |dir| {
                let (key, cert) = (dir.path().join("key.pem"), dir.path().join("cert.pem"));
                let mut openssl = Command::new("openssl");
                openssl.args([
                    "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=test",
                ]);
                openssl
                    .args([
                        "-addext",
                        "subjectAltName=IP:127.0.0.1,DNS:registry.invalid",
                        "-addext",
                        "basicConstraints=critical,CA:FALSE",
                        "-keyout",
                    ])
                    .arg(&key)
                    .arg("-out")
                    .arg(&cert);
                run(&mut openssl, "openssl");
                certificate.clone_from(&cert);
                format!("  tls: {{ certificate: \"{}\", key: \"{}\" }}\n", cert.display(), key.display())
            },
            &["--dest-tls-verify=false"],
        );
        (registry, certificate)
    }

    fn start_with(extra: impl FnOnce(&TempDir) -> String, push: &[&str]) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let host = format!("127.0.0.1:{port}");
        let config = dir.path().join("config.yml");
        let text = format!(
            "version: 0.1\nlog: {{ level: error, accesslog: {{ disabled: true }} }}\n\
             storage: {{ filesystem: {{ rootdirectory: \"{}\" }} }}\nhttp:\n  addr: {host}\n{}",
            dir.path().display(),
            extra(&dir),
        );
        fs::write(&config, text).unwrap();
        let log = fs::File::create(dir.path().join("log")).unwrap();
        let process = Command::new("docker-registry")
            .arg("serve")
            .arg(&config)
            .stdout(Stdio::null())
            .stderr(log)
            .spawn()
            .unwrap_or_else(|error| {
                panic!("docker-registry: {error}\nneeded by this test: apt-get install docker-registry")
            });
        let registry = Self { host, dir, process, push: push.iter().map(ToString::to_string).collect() };
        let start = Instant::now();
        while TcpStream::connect(&registry.host).is_err() {
            assert!(
                start.elapsed() < Duration::from_secs(30),
                "docker-registry does not listen: {}",
                fs::read_to_string(registry.dir.path().join("log")).unwrap()
            );
            std::thread::sleep(Duration::from_millis(10));
        }
        registry
    }

    /// Copies the layout's image `latest` here, all platforms of it, and returns the reference.
    pub(crate) fn push(&self, layout: &Layout, name: &str) -> String {
        let reference = format!("{}/{name}", self.host);
        let mut skopeo = Command::new("skopeo");
        skopeo.args(["copy", "--all", "--quiet"]).args(&self.push);
        skopeo.arg(layout.source()).arg(format!("docker://{reference}"));
        run(&mut skopeo, "skopeo");
        reference
    }

    /// The file in which the registry keeps a blob.
    pub(crate) fn blob_path(&self, digest: &str) -> PathBuf {
        let hex = digest.trim_start_matches("sha256:");
        self.dir.path().join("docker/registry/v2/blobs/sha256").join(&hex[..2]).join(hex).join("data")
    }
}

impl Drop for Registry {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

pub(crate) fn run(command: &mut Command, package: &str) {
    match command.output() {
        Ok(output) => assert!(
            output.status.success(),
            "{command:?}: {}{}",
            String::from_utf8_lossy(&output.stdout),
            String::from_utf8_lossy(&output.stderr)
        ),
        Err(error) => panic!("{command:?}: {error}\nneeded by this test: apt-get install {package}"),
    }
}
