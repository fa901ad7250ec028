//! The user's own credentials, out of the files of `docker login` and `podman login`, or of the helper programs that these name.
//! Called by `registries`.
//!
//! The crate `docker_credential` reads the files. Helpers are run here, because that crate waits for one without a limit: here a
//! helper that waits for its user too long is killed, and so is one whose pull was cancelled.

use std::{
    fs::File,
    io::{self, Read, Write},
    path::{Path, PathBuf},
    process::{Command, Stdio},
    sync::mpsc,
    thread,
    time::{Duration, Instant},
};

use boxlite_error::ErrorCode;
use boxlite_unpack::Cancel;
use docker_credential::{CredentialRetrievalError, DockerCredential};
use serde::Deserialize;
use serde_json::Value;

use crate::{blocking::long_blocking, error::Error, options::Credentials};

/// How long a helper may take.
const HELPER: Duration = Duration::from_secs(30);
/// How often to check whether it has ended.
const POLL: Duration = Duration::from_millis(10);
/// Bytes of a file or of a helper's answer.
const MAX_FILE: u64 = 4 << 20;

/// The credentials for a registry, if there are any.
pub(super) async fn users_own(host: &str) -> Result<Option<Credentials>, Error> {
    let host = host.to_owned();
    long_blocking(move |cancel| find(&host, HELPER, cancel)).await
}

fn find(host: &str, limit: Duration, cancel: &Cancel) -> Result<Option<Credentials>, Error> {
    // docker keeps its hub's credentials under this name.
    let key = if host == "docker.io" { "https://index.docker.io/v1/" } else { host };
    for file in files() {
        match of_file(&file, key, limit, cancel) {
            Ok(Some(credentials)) => return Ok(Some(credentials)),
            Ok(None) => {}
            Err(error) if error.kind() == io::ErrorKind::TimedOut => {
                let message = format!("log in to {host}: docker's credential helper does not answer");
                return Err(Error::new(ErrorCode::ImageUnauthorized, message));
            }
            Err(error) => tracing::debug!(file = %file.display(), %error, "no credentials of the user's own"),
        }
    }
    Ok(None)
}

/// The files, first docker's and then podman's (podman-login(1), `--authfile`).
fn files() -> impl Iterator<Item = PathBuf> {
    let var = |name: &str| std::env::var_os(name).map(PathBuf::from);
    let docker = var("DOCKER_CONFIG").or_else(|| Some(var("HOME")?.join(".docker")));
    let podman = var("REGISTRY_AUTH_FILE").or_else(|| {
        let folder =
            if cfg!(target_os = "linux") { var("XDG_RUNTIME_DIR")? } else { var("HOME")?.join(".config") };
        let own = folder.join("containers/auth.json");
        if own.is_file() { Some(own) } else { Some(docker.clone()?.join("containers/auth.json")) }
    });
    [docker.as_ref().map(|folder| folder.join("config.json")), podman].into_iter().flatten()
}

fn of_file(path: &Path, key: &str, limit: Duration, cancel: &Cancel) -> io::Result<Option<Credentials>> {
    let mut bytes = Vec::new();
    File::open(path)?.take(MAX_FILE).read_to_end(&mut bytes)?;
    // An error of the parser's would quote the file.
    let mut file: Value = serde_json::from_slice(&bytes).map_err(|_| io::Error::other("it is no JSON"))?;
    let text = |value: Option<Value>| value.and_then(|value| Some(value.as_str()?.to_owned()));
    let mut take = |name| file.as_object_mut().and_then(|file| file.remove(name));
    let helper = take("credHelpers").and_then(|mut helpers| text(helpers.as_object_mut()?.remove(key)));
    let store = text(take("credsStore"));
    if let Some(helper) = helper.filter(|helper| !helper.is_empty()) {
        return run_helper(&helper, key, limit, cancel).map(Some);
    }
    match docker_credential::get_credential_from_reader(file.to_string().as_bytes(), key) {
        Ok(DockerCredential::UsernamePassword(username, password)) => {
            Ok(Some(Credentials::Basic { username, password }))
        }
        Ok(DockerCredential::IdentityToken(token)) => Ok(Some(Credentials::IdentityToken(token))),
        Err(CredentialRetrievalError::NoCredentialConfigured) => match store {
            Some(store) => run_helper(&store, key, limit, cancel).map(Some),
            None => Ok(None),
        },
        Err(error) => Err(io::Error::other(error)),
    }
}

/// Runs a helper program (docker-credential-helpers, "Development"): it reads the registry, and writes a user and a secret.
fn run_helper(helper: &str, key: &str, limit: Duration, cancel: &Cancel) -> io::Result<Credentials> {
    #[derive(Deserialize)]
    #[serde(rename_all = "PascalCase")]
    struct Answer {
        username: String,
        secret: String,
    }
    let failed = |what: &str| io::Error::other(format!("docker-credential-{helper} {what}"));
    if helper.contains('/') {
        return Err(failed("is no helper's name"));
    }
    let mut process = Command::new(format!("docker-credential-{helper}"))
        .arg("get")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        // Its output may be a secret.
        .stderr(Stdio::null())
        .spawn()?;
    let (mut input, output) = (process.stdin.take(), process.stdout.take());
    let key = key.to_owned();
    // On a thread of its own, since a helper's own children may keep the pipe open for longer than it runs.
    let (sender, answer) = mpsc::channel();
    let talk = move || {
        let mut bytes = Vec::new();
        let written = input.as_mut().map_or(Ok(()), |input| input.write_all(key.as_bytes()));
        drop(input);
        let read = output.map_or(Ok(0), |output| output.take(MAX_FILE).read_to_end(&mut bytes));
        let _ = sender.send(written.and(read.map(|_| bytes)));
    };
    let talking = thread::Builder::new().name("boxlite-login".into()).spawn(talk);
    let begun = Instant::now();
    let status = loop {
        match process.try_wait() {
            Ok(None) if talking.is_ok() && begun.elapsed() < limit && !cancel.is_cancelled() => {
                thread::sleep(POLL);
            }
            Ok(Some(status)) => break status,
            ended => {
                let _ = process.kill();
                let _ = process.wait();
                ended?;
                cancel.check()?;
                talking?;
                return Err(io::Error::new(io::ErrorKind::TimedOut, "it does not answer"));
            }
        }
    };
    if !status.success() {
        return Err(failed("failed"));
    }
    let answer = answer.recv_timeout(limit).map_err(|_| failed("does not end its answer"))??;
    let Answer { username, secret } = serde_json::from_slice(&answer)
        .map_err(|_| failed("answered with something else than credentials"))?;
    Ok(match username.as_str() {
        "<token>" => Credentials::IdentityToken(secret),
        _ => Credentials::Basic { username, password: secret },
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_helper_by_a_path_of_its_own_is_no_helper() {
        let error = run_helper("../../tmp/x", "r.example", HELPER, &Cancel::default()).unwrap_err();
        assert!(error.to_string().contains("no helper's name"), "{error}");
    }
}
