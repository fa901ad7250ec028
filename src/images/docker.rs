//! Archives of `docker save`: no manifest, so one is made, the same for the same image each time. Called by `layout`.
//!
//! `manifest.json` names a configuration and layers for each image (Docker Image Specification v1.2, "Combined Image
//! JSON + Filesystem Changeset Format"). Layers are plain tars whose digest is their `diff_id`; other tools compress them.

use std::{
    collections::HashMap,
    io::{self, Read},
    rc::Rc,
};

use boxlite_error::ErrorCode;
use boxlite_unpack::{Cancel, Cancellable};
use oci_spec::image::Descriptor;
use serde::Deserialize;
use serde_json::{Value, json};

use crate::{
    config_file::{ConfigFile, MAX_CONFIG},
    digest::{Digest, hash},
    error::Error,
    files::{Files, clean},
    manifest::{MAX_LAYERS, MAX_MANIFEST},
    platform::Platform,
};

/// What replaces the parts of a layout that such an archive doesn't have.
#[derive(Debug, Default)]
pub(crate) struct Made {
    /// One for each image and name.
    pub(crate) index: Vec<Descriptor>,
    pub(crate) manifests: HashMap<Digest, Vec<u8>>,
    /// Where the blobs are.
    pub(crate) names: HashMap<Digest, String>,
}

/// The media type of a layer, whether it is compressed or not: readers look at its content.
pub(crate) const LAYER: &str = "application/vnd.oci.image.layer.v1.tar";
/// That of a manifest.
pub(crate) const MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";

/// Bytes of all configurations of an archive together, and of the manifests that are made.
const MAX_READ: usize = 64 << 20;

/// What was read of an archive already: images share configurations and layers, and an archive may name one a million times.
#[derive(Default)]
struct Known {
    configs: HashMap<String, Rc<Config>>,
    layers: HashMap<String, Value>,
    /// Bytes that were read and made.
    bytes: usize,
}

struct Config {
    bytes: Vec<u8>,
    platform: Platform,
    diff_ids: Vec<Digest>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Item {
    config: String,
    #[serde(default)]
    repo_tags: Option<Vec<String>>,
    layers: Vec<String>,
}

impl Made {
    pub(crate) fn read(files: &Files, cancel: &Cancel) -> Result<Self, Error> {
        let items: Vec<Item> = serde_json::from_slice(&read(files, "manifest.json", MAX_MANIFEST)?)
            .map_err(|error| broken(files, "manifest.json").because(error))?;
        let mut made = Self::default();
        let mut known = Known::default();
        for item in items {
            made.add(files, &mut known, &item, cancel)?;
        }
        Ok(made)
    }

    fn add(&mut self, files: &Files, known: &mut Known, item: &Item, cancel: &Cancel) -> Result<(), Error> {
        let config_name = clean(&item.config);
        let Config { bytes, platform, diff_ids } = &*known.config(files, &config_name)?;
        if diff_ids.len() != item.layers.len() || diff_ids.len() > MAX_LAYERS {
            return Err(broken(files, "manifest.json"));
        }
        let mut layers = Vec::new();
        for (name, diff_id) in item.layers.iter().zip(diff_ids) {
            let name = clean(name);
            let layer = match known.layers.get(&name) {
                Some(layer) => layer.clone(),
                None => self.layer(files, &name, diff_id.clone(), cancel)?,
            };
            known.layers.insert(name, layer.clone());
            // A descriptor is as long as this, more or less.
            known.take(files, 200)?;
            layers.push(layer);
        }
        let tags = item.repo_tags.clone().unwrap_or_default();
        let tags: Vec<_> = if tags.is_empty() { vec![None] } else { tags.into_iter().map(Some).collect() };
        self.image((&config_name, bytes), &layers, platform, &tags)
            .map_err(|error| broken(files, "manifest.json").because(error))
    }

    /// Makes the manifest of an image whose configuration is under the name, and its descriptors, one for each tag.
    pub(crate) fn image(
        &mut self,
        (config_name, config): (&str, &[u8]),
        layers: &[Value],
        platform: &Platform,
        tags: &[Option<String>],
    ) -> Result<(), serde_json::Error> {
        let config_digest = Digest::of(config);
        let manifest = json!({
            "schemaVersion": 2,
            "mediaType": MANIFEST,
            "config": descriptor("application/vnd.oci.image.config.v1+json", &config_digest, config.len() as u64),
            "layers": layers,
        });
        self.names.insert(config_digest, config_name.to_owned());
        let bytes = manifest.to_string().into_bytes();
        let digest = Digest::of(&bytes);
        for tag in tags {
            let mut entry = descriptor(MANIFEST, &digest, bytes.len() as u64);
            entry["platform"] = json!({ "os": platform.os, "architecture": platform.architecture });
            if let Some(variant) = &platform.variant {
                entry["platform"]["variant"] = json!(variant);
            }
            if let Some(tag) = tag {
                entry["annotations"] = json!({ "org.opencontainers.image.ref.name": tag });
            }
            self.index.push(serde_json::from_value(entry)?);
        }
        self.manifests.insert(digest, bytes);
        Ok(())
    }

    fn layer(&mut self, files: &Files, name: &str, diff_id: Digest, cancel: &Cancel) -> Result<Value, Error> {
        let failed = |error| part_error(files, name, error);
        let mut part = files.file(name).map_err(failed)?;
        let mut start = Vec::new();
        (&mut part).take(4).read_to_end(&mut start).map_err(failed)?;
        let compressed = matches!(start[..], [0x1f, 0x8b, ..] | [0x28, 0xb5, 0x2f, 0xfd]);
        let digest = if compressed {
            part.seek(0);
            hash(Cancellable::new(&mut part, cancel)).map(Digest::finish).map_err(failed)?
        } else {
            diff_id
        };
        let described = descriptor(LAYER, &digest, part.length);
        self.names.insert(digest, name.to_owned());
        Ok(described)
    }
}

impl Known {
    fn config(&mut self, files: &Files, name: &str) -> Result<Rc<Config>, Error> {
        if let Some(known) = self.configs.get(name) {
            return Ok(Rc::clone(known));
        }
        let bytes = read(files, name, MAX_CONFIG)?;
        self.take(files, bytes.len())?;
        let file = ConfigFile::parse(&bytes, &Digest::of(&bytes))?;
        let platform = file.platform();
        let config = Rc::new(Config { bytes, platform, diff_ids: file.into_parts().1 });
        self.configs.insert(name.to_owned(), Rc::clone(&config));
        Ok(config)
    }

    fn take(&mut self, files: &Files, bytes: usize) -> Result<(), Error> {
        self.bytes += bytes;
        if self.bytes <= MAX_READ {
            return Ok(());
        }
        let what = format!("configurations and layers of more than {MAX_READ} bytes");
        Err(files.error(ErrorCode::ImageTooLarge, &what))
    }
}

/// A descriptor (OCI image-spec, descriptor.md).
pub(crate) fn descriptor(media_type: &str, digest: &Digest, size: u64) -> Value {
    json!({ "mediaType": media_type, "digest": digest.as_str(), "size": size })
}

fn broken(files: &Files, name: &str) -> Error {
    files.error(ErrorCode::ImageCorrupt, &format!("{name} makes no sense"))
}

/// Reads a small file whole.
pub(crate) fn read(files: &Files, name: &str, limit: u64) -> Result<Vec<u8>, Error> {
    let failed = |error| part_error(files, name, error);
    let mut part = files.file(name).map_err(failed)?;
    if part.length > limit {
        return Err(files.error(ErrorCode::ImageTooLarge, &format!("{name} has {} bytes", part.length)));
    }
    let mut bytes = Vec::new();
    part.read_to_end(&mut bytes).map_err(failed)?;
    Ok(bytes)
}

/// A missing part is the image's fault; anything else is a failure of the host.
pub(crate) fn part_error(files: &Files, name: &str, error: io::Error) -> Error {
    if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory) {
        let (kind, name) = match name.strip_prefix("blobs/sha256/") {
            Some(hex) => (ErrorCode::ImageCorrupt, format!("blob sha256:{hex}")),
            None => (ErrorCode::ImageNotFound, name.to_owned()),
        };
        return files.error(kind, &format!("it has no {name}")).because(error);
    }
    Error::storage(format!("read {name} of image {}", files.path.display()), error)
}
