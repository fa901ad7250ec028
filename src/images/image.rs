//! An image in the store, ready to become a disk. Made by `manager`, read by the runtime.

use std::{collections::BTreeMap, path::PathBuf, sync::Arc};

use serde::{Deserialize, Serialize};

use crate::{hold::Hold, platform::Platform};

/// An image of one platform whose every blob is in the store.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Image {
    /// The normalised reference: `docker.io/library/alpine:3`, `oci:/images/alpine:3`.
    pub reference: String,
    /// The digest of the image's manifest.
    pub digest: String,
    /// The platform that the image says it is for.
    pub platform: Platform,
    /// What to run and how.
    pub config: ImageConfig,
    /// The layers, lowest first.
    pub layers: Vec<Layer>,
    /// Nothing of the image is removed from the store while this value or a clone of it lives.
    pub(crate) hold: Arc<Hold>,
}

/// A layer in the store.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Layer {
    /// The digest of the blob.
    pub digest: String,
    /// The digest of the tar inside, from the image's configuration.
    pub diff_id: String,
    /// What the manifest says it is. Detect the compression from the blob itself, since this is often wrong.
    pub media_type: String,
    /// The size of the blob in bytes.
    pub size: u64,
    /// The blob.
    pub path: PathBuf,
}

/// What an image says of the program it holds (OCI image-spec, config.md).
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct ImageConfig {
    /// `NAME=value` pairs.
    pub env: Vec<String>,
    /// The program, before [`ImageConfig::cmd`].
    pub entrypoint: Vec<String>,
    /// The program, or its default arguments where there is an entrypoint.
    pub cmd: Vec<String>,
    /// `user`, `uid`, `user:group` or `uid:gid`; `None` is root.
    pub user: Option<String>,
    /// Where the program starts; `None` is `/`.
    pub working_dir: Option<String>,
    /// The signal that stops the program, by name or number; `None` is SIGTERM.
    pub stop_signal: Option<String>,
    /// For example `80/tcp`.
    pub exposed_ports: Vec<String>,
    /// Paths that are meant to be volumes.
    pub volumes: Vec<String>,
    /// Free-form.
    pub labels: BTreeMap<String, String>,
    /// docker's health check, which OCI's format doesn't have.
    pub healthcheck: Option<Healthcheck>,
}

/// A health check as docker's image configurations have it. Durations are in nanoseconds; 0 is docker's default.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct Healthcheck {
    /// `["NONE"]`, `["CMD", …]` or `["CMD-SHELL", command]`.
    pub test: Vec<String>,
    /// Between two checks.
    pub interval: i64,
    /// For one check.
    pub timeout: i64,
    /// During which failures don't count.
    pub start_period: i64,
    /// Failures in a row until the container counts as unhealthy.
    pub retries: i64,
}
