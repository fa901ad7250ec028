//! Options of the manager, of a registry, and of one pull.

use std::{fmt, path::PathBuf, time::Duration};

use boxlite_error::named;
use serde::{Deserialize, Serialize};

use crate::{platform::Platform, progress::ProgressSink};

/// Options of an [`crate::ImageManager`].
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct ImageOptions {
    /// Registries that need something other than HTTPS on their own name and the user's own credentials.
    pub registries: Vec<RegistryOptions>,
    /// Time-outs of every request.
    pub timeouts: Timeouts,
    /// Attempts for one request or blob before a passing error is final. Default 5.
    pub attempts: u32,
    /// Whether to look for credentials in docker's and podman's files and helpers. Default true.
    pub docker_credentials: bool,
    /// The most that an image's layers may have as stored, all together, in bytes. Default 64 GiB.
    pub max_image_bytes: u64,
    /// Bytes that a pull must leave free on the store's file system; it is refused before it starts. Default 64 MiB.
    pub reserve_bytes: u64,
    /// The registries in which a name without one is looked up, in this order. Default: `docker.io`.
    pub search: Vec<String>,
}

impl Default for ImageOptions {
    fn default() -> Self {
        Self {
            registries: Vec::new(),
            timeouts: Timeouts::default(),
            attempts: 5,
            docker_credentials: true,
            max_image_bytes: 64 << 30,
            reserve_bytes: 64 << 20,
            search: vec!["docker.io".to_owned()],
        }
    }
}

/// How long to wait for a registry.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct Timeouts {
    /// For a connection, TLS included. Default 10 seconds.
    pub connect: Duration,
    /// For the next bytes. Default 30 seconds.
    pub read: Duration,
    /// In which 64 KiB of a blob must come: a slower transfer counts as broken, and is resumed. Default 60 seconds.
    pub drip: Duration,
    /// For a whole manifest, and for a blob until its first byte, however slowly they drip: redirects and logging in
    /// included. Default 2 minutes.
    pub manifest: Duration,
    /// For a token, from the request to its last byte. Default 30 seconds.
    pub login: Duration,
}

impl Default for Timeouts {
    fn default() -> Self {
        Self {
            connect: Duration::from_secs(10),
            read: Duration::from_secs(30),
            drip: Duration::from_mins(1),
            manifest: Duration::from_mins(2),
            login: Duration::from_secs(30),
        }
    }
}

/// How to talk to one registry.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
#[non_exhaustive]
pub struct RegistryOptions {
    /// The registry's name as references have it, with its port: `ghcr.io`, `127.0.0.1:5000`, `docker.io`.
    pub host: String,
    /// Plain HTTP instead of HTTPS.
    pub http: bool,
    /// A PEM file of certificate authorities to trust besides the system's.
    pub ca_file: Option<PathBuf>,
    /// Accept any certificate. For tests only.
    pub skip_verify: bool,
    /// Credentials; without them, the user's own are used, from docker's and podman's files.
    #[serde(skip_serializing)]
    pub credentials: Option<Credentials>,
    /// Where to look first, as `HOST[:PORT][/PATH]`: a path stands before the image's own name. What is special about a
    /// mirror's host is in options of its own.
    pub mirrors: Vec<String>,
}

impl RegistryOptions {
    /// Defaults for `host`: HTTPS, the system's authorities, the user's own credentials.
    pub fn new(host: impl Into<String>) -> Self {
        Self { host: host.into(), ..Self::default() }
    }
}

/// What proves who the user is. `Debug` and `Serialize` never show it.
#[derive(Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Credentials {
    /// A user name and a password or access token.
    Basic {
        /// The user name.
        username: String,
        /// The password.
        password: String,
    },
    /// An `OAuth2` refresh token, as `docker login` gets from some registries.
    IdentityToken(String),
    /// A ready bearer token.
    Bearer(String),
}

impl fmt::Debug for Credentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Basic { .. } => "Basic(…)",
            Self::IdentityToken(_) => "IdentityToken(…)",
            Self::Bearer(_) => "Bearer(…)",
        })
    }
}

named! {
    /// When to ask the source for an image.
    #[derive(Default)]
    pub enum PullPolicy {
        /// Every time: a tag may have moved. Blobs that are here are not fetched again.
        Always = "always",
        /// When the store doesn't have the image.
        #[default]
        Missing = "missing",
        /// Never: what the store doesn't have is an error. Folders and files of this machine are still read.
        Never = "never",
    }
}

/// Options of one pull.
#[derive(Debug, Clone, Default)]
#[non_exhaustive]
pub struct PullOptions {
    /// When to ask the source.
    pub policy: PullPolicy,
    /// The platform to choose; `None` is this machine's.
    pub platform: Option<Platform>,
    /// Receives the events of the progress.
    pub progress: Option<ProgressSink>,
}

impl PullOptions {
    /// Options with this policy.
    pub fn with_policy(policy: PullPolicy) -> Self {
        Self { policy, ..Self::default() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_policy_is_read_as_it_is_written_and_an_error_names_the_values() {
        for policy in [PullPolicy::Always, PullPolicy::Missing, PullPolicy::Never] {
            assert_eq!(policy.to_string().parse(), Ok(policy));
            assert_eq!(serde_json::to_value(policy).unwrap(), policy.as_str());
        }
        let error = "often".parse::<PullPolicy>().unwrap_err();
        assert_eq!(error, "must be one of `always`, `missing`, `never`: \"often\"");
    }

    #[test]
    fn credentials_are_read_and_never_written() {
        let text = r#"{"host":"r:5000","credentials":{"basic":{"username":"a","password":"secret"}}}"#;
        let options: RegistryOptions = serde_json::from_str(text).unwrap();
        assert!(
            matches!(&options.credentials, Some(Credentials::Basic { password, .. }) if password == "secret")
        );
        let shown = serde_json::to_string(&options).unwrap() + &format!("{options:?}");
        assert!(!shown.contains("secret"), "{shown}");
    }
}
