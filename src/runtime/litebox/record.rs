//! What is on disk of a box: `config.json`, written once and amended once, and `state.json`, which says how it stands.

use boxlite_images::{ImageConfig, PullPolicy};
use serde::{Deserialize, Serialize};

use super::BoxState;
use crate::{
    BoxOptions, BoxliteResult, Labels, SupervisionOptions, json_file, json_file::Durability, labels,
    layout::BoxPaths,
};

/// Raised when a field changes meaning.
const VERSION: u32 = 1;

/// What the box is.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct BoxConfig {
    version: u32,
    pub(crate) id: String,
    pub(crate) name: Option<String>,
    pub(crate) created_at_ms: u64,
    pub(crate) image: String,
    pub(crate) cpus: u8,
    pub(crate) memory_mib: u32,
    /// As it was asked for, then as it is; `None`: the default, before the first start.
    #[serde(default)]
    pub(crate) disk_size_mib: Option<u32>,
    pub(crate) env: Vec<(String, String)>,
    pub(crate) workdir: Option<String>,
    pub(crate) user: Option<String>,
    pub(crate) hostname: Option<String>,
    #[serde(default)]
    pub(crate) pull_policy: PullPolicy,
    #[serde(default)]
    pub(crate) labels: Labels,
    #[serde(default)]
    pub(crate) supervision: SupervisionOptions,
    #[serde(default)]
    pub(crate) pids_limit: Option<u32>,
    /// What `image` meant when the box first started; it means that for the rest of the box's life.
    pub(crate) resolved: Option<ResolvedImage>,
}

/// An image, fixed by digest.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct ResolvedImage {
    /// Digest of the manifest for this machine's platform.
    pub(crate) digest: String,
    /// What the image says of its processes.
    pub(crate) config: ImageConfig,
}

impl BoxConfig {
    pub(crate) fn new(id: String, created_at_ms: u64, options: BoxOptions) -> Self {
        let BoxOptions {
            image,
            name,
            cpus,
            memory_mib,
            disk_size_mib,
            env,
            workdir,
            user,
            hostname,
            pull_policy,
            labels,
            supervision,
            pids_limit,
        } = options;
        Self {
            version: VERSION,
            id,
            name,
            created_at_ms,
            image,
            cpus,
            memory_mib,
            disk_size_mib,
            env,
            workdir,
            user,
            hostname,
            pull_policy,
            labels,
            supervision,
            pids_limit,
            resolved: None,
        }
    }

    /// Its labels over its image's, as far as that is known.
    pub(crate) fn labels(&self) -> Labels {
        labels::merged(self.resolved.as_ref().map(|image| &image.config.labels), &self.labels)
    }

    pub(crate) fn save(&self, paths: &BoxPaths) -> BoxliteResult<()> {
        json_file::write(&paths.config(), self, Durability::Flushed)
    }

    /// The host name inside: an explicit one, else the box's name where that is one, else its id.
    pub(crate) fn hostname(&self) -> &str {
        let is_hostname = |name: &&str| !name.contains('_') && !name.ends_with('.');
        self.hostname.as_deref().or(self.name.as_deref().filter(is_hostname)).unwrap_or(&self.id)
    }
}

/// How the box stands. A running one is known by its shim's lock, so a state that was not flushed costs nothing.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct BoxRecord {
    pub(crate) state: BoxState,
    /// Why it failed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) failure: Option<String>,
}

impl BoxRecord {
    pub(crate) fn save(&self, paths: &BoxPaths) -> BoxliteResult<()> {
        json_file::write(&paths.state(), self, Durability::Cached)
    }
}
