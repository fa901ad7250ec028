//! Manifests and indexes: parsed out of bytes of bounded size. Called by everything that looks into an image.

use boxlite_error::ErrorCode;
use oci_spec::image::{Descriptor, ImageIndex, ImageManifest};
use serde::{Deserialize, de::DeserializeOwned};

use crate::{digest::Digest, error::Error};

/// The bound that registries themselves keep for manifests (OCI distribution-spec, "Pushing Manifests").
pub(crate) const MAX_MANIFEST: u64 = 4 << 20;
/// Container engines stop at 127.
pub(crate) const MAX_LAYERS: usize = 1024;

/// The value of `Accept` headers.
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
    /// Distinguishes them by their content: media types are optional in OCI's own format.
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
                ErrorCode::ImageUnsupported,
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
    let unsupported = |what: String| {
        Err(Error::new(ErrorCode::ImageUnsupported, format!("read manifest {digest}: {what}")))
    };
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
