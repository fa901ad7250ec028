//! Manifests, indexes and configurations: parsed out of bytes of bounded size. Called by `fetch`.

use std::collections::BTreeMap;

use oci_spec::image::{Descriptor, ImageIndex, ImageManifest};
use serde::{Deserialize, de::DeserializeOwned};

use crate::{Digest, Error, ErrorKind, Healthcheck, ImageConfig, Platform};

/// The bound that registries themselves keep for manifests (OCI distribution-spec, "Pushing Manifests").
pub(crate) const MAX_MANIFEST: u64 = 4 << 20;
/// Configurations carry a history line per layer; none comes near this.
pub(crate) const MAX_CONFIG: u64 = 8 << 20;
/// What a box takes over of a configuration, as JSON: it is kept with every box that is made of the image.
pub(crate) const MAX_TAKEN_OVER: usize = 1 << 20;
/// Container engines stop at 127.
pub(crate) const MAX_LAYERS: usize = 1024;

/// What Accept headers ask for.
pub(crate) const MEDIA_TYPES: &str = "application/vnd.oci.image.index.v1+json, \
    application/vnd.docker.distribution.manifest.list.v2+json, \
    application/vnd.oci.image.manifest.v1+json, \
    application/vnd.docker.distribution.manifest.v2+json";

/// One of the two things that a tag can stand for.
#[derive(Debug)]
pub(crate) enum Manifest {
    Image(Box<ImageManifest>),
    Index(Box<ImageIndex>),
}

impl Manifest {
    /// Tells them apart by their content: media types are optional in OCI's own format.
    pub(crate) fn parse(bytes: &[u8], digest: &Digest) -> Result<Self, Error> {
        #[derive(Deserialize)]
        #[serde(rename_all = "camelCase")]
        struct Shape {
            schema_version: Option<u32>,
            manifests: Option<serde::de::IgnoredAny>,
        }
        let shape: Shape = json("manifest", bytes, digest)?;
        if shape.schema_version != Some(2) {
            return Err(Error::new(
                ErrorKind::Unsupported,
                format!("read manifest {digest}: schema version other than 2"),
            ));
        }
        if shape.manifests.is_some() {
            return Ok(Self::Index(Box::new(json("index", bytes, digest)?)));
        }
        let image: ImageManifest = json("manifest", bytes, digest)?;
        check(&image, digest)?;
        Ok(Self::Image(Box::new(image)))
    }
}

fn check(image: &ImageManifest, digest: &Digest) -> Result<(), Error> {
    let unsupported =
        |what: String| Err(Error::new(ErrorKind::Unsupported, format!("read manifest {digest}: {what}")));
    let config = image.config().media_type().to_string();
    if !matches!(
        config.as_str(),
        "application/vnd.oci.image.config.v1+json" | "application/vnd.docker.container.image.v1+json"
    ) {
        return unsupported(format!("{config} is no container image"));
    }
    if image.layers().len() > MAX_LAYERS {
        return unsupported(format!("{} layers", image.layers().len()));
    }
    for layer in image.layers() {
        let media_type = layer.media_type().to_string();
        if !media_type.contains("tar") || media_type.contains("encrypted") {
            return unsupported(format!("layer of type {media_type}"));
        }
    }
    Ok(())
}

/// The digest of a descriptor, which must be one that this crate can check.
pub(crate) fn digest_of(descriptor: &Descriptor) -> Result<Digest, Error> {
    descriptor.digest().to_string().parse()
}

pub(crate) fn json<T: DeserializeOwned>(what: &str, bytes: &[u8], digest: &Digest) -> Result<T, Error> {
    serde_json::from_slice(bytes)
        .map_err(|error| Error::corrupt(format!("read {what} {digest}")).because(error))
}

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
    pub(crate) fn platform(&self) -> Platform {
        Platform {
            os: self.os.clone(),
            architecture: self.architecture.clone(),
            variant: self.variant.clone().filter(|variant| !variant.is_empty()),
        }
    }

    /// Bytes of what a box takes over, as JSON, in which a letter may take six.
    pub(crate) fn taken_over(&self) -> usize {
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
