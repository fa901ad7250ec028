//! An image's configuration as registries and archives have it. Called by everything that looks into an image.

use std::collections::BTreeMap;

use boxlite_error::ErrorCode;
use serde::Deserialize;

use crate::{
    digest::Digest,
    error::Error,
    image::{Healthcheck, ImageConfig},
    manifest::json,
    platform::Platform,
};

/// Configurations carry a history line per layer; none comes near this.
pub(crate) const MAX_CONFIG: u64 = 8 << 20;
/// What a box takes over of a configuration, as JSON: it is kept with every box that is made of the image.
const MAX_TAKEN_OVER: usize = 1 << 20;

/// An image's configuration (OCI image-spec, config.md), as leniently as docker reads it: anything may be null.
#[derive(Debug, Deserialize)]
pub(crate) struct ConfigFile {
    architecture: String,
    os: String,
    #[serde(default)]
    variant: Option<String>,
    #[serde(default)]
    config: Option<Runtime>,
    rootfs: RootFs,
}

#[derive(Debug, Deserialize)]
struct RootFs {
    #[serde(default)]
    diff_ids: Option<Vec<Digest>>,
}

#[derive(Debug, Default, Clone, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
struct Runtime {
    env: Option<Vec<String>>,
    entrypoint: Option<Vec<String>>,
    cmd: Option<Vec<String>>,
    user: Option<String>,
    working_dir: Option<String>,
    stop_signal: Option<String>,
    exposed_ports: Option<serde_json::Map<String, serde_json::Value>>,
    volumes: Option<serde_json::Map<String, serde_json::Value>>,
    labels: Option<BTreeMap<String, String>>,
    healthcheck: Option<Healthcheck>,
}

impl ConfigFile {
    /// Parses a configuration whose digest was checked.
    pub(crate) fn parse(bytes: &[u8], digest: &Digest) -> Result<Self, Error> {
        let file: Self = json("image configuration", bytes, digest)?;
        let taken_over = file.taken_over();
        if taken_over <= MAX_TAKEN_OVER {
            return Ok(file);
        }
        Err(Error::new(
            ErrorCode::ImageTooLarge,
            format!(
                "read image configuration {digest}: its environment, labels, commands and the like are {taken_over} bytes, of which {MAX_TAKEN_OVER} are allowed"
            ),
        ))
    }

    pub(crate) fn platform(&self) -> Platform {
        Platform {
            os: self.os.clone(),
            architecture: self.architecture.clone(),
            variant: self.variant.clone().filter(|variant| !variant.is_empty()),
        }
    }

    /// Bytes of what a box takes over, as JSON, in which a letter may take six.
    fn taken_over(&self) -> usize {
        let config = self.config.clone().unwrap_or_default().into_config();
        serde_json::to_vec(&config).map_or(usize::MAX, |bytes| bytes.len())
    }

    pub(crate) fn into_parts(self) -> (ImageConfig, Vec<Digest>) {
        let config = self.config.unwrap_or_default().into_config();
        (config, self.rootfs.diff_ids.unwrap_or_default())
    }
}

impl Runtime {
    fn into_config(self) -> ImageConfig {
        let text = |text: Option<String>| text.filter(|text| !text.is_empty());
        let keys = |map: Option<serde_json::Map<_, _>>| {
            map.unwrap_or_default().into_iter().map(|(key, _)| key).collect()
        };
        let runtime = self;
        ImageConfig {
            env: runtime.env.unwrap_or_default(),
            entrypoint: runtime.entrypoint.unwrap_or_default(),
            cmd: runtime.cmd.unwrap_or_default(),
            user: text(runtime.user),
            working_dir: text(runtime.working_dir),
            stop_signal: text(runtime.stop_signal),
            exposed_ports: keys(runtime.exposed_ports),
            volumes: keys(runtime.volumes),
            labels: runtime.labels.unwrap_or_default(),
            healthcheck: runtime.healthcheck,
        }
    }
}
