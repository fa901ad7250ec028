//! What is in the image cache, and the ways in and out of it by files. Part of [`BoxliteRuntime`].

use std::{path::PathBuf, sync::Arc};

use boxlite_error::{BoxliteError, BoxliteResult, ErrorCode};
use boxlite_images::{ImageConfig, ImageSummary, Layer};
use serde::{Deserialize, Serialize};

use crate::{
    images::{cache::keep_quota, in_use::InUse, pull::PulledImage},
    runtime::BoxliteRuntime,
};

/// An image in the cache.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ImageInfo {
    /// The reference, in full.
    pub reference: String,
    /// The manifest's digest.
    pub digest: String,
    /// `os/architecture[/variant]`.
    pub platform: String,
    /// Bytes of the layers as stored.
    pub size_bytes: u64,
    /// Milliseconds since 1970, to the second.
    pub pulled_at_ms: u64,
    /// When it was last requested; as above.
    pub used_at_ms: u64,
    /// Whether a box was made of it.
    pub in_use: bool,
}

/// An image with its configuration.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ImageDetails {
    /// The reference, in full.
    pub reference: String,
    /// The manifest's digest.
    pub digest: String,
    /// `os/architecture[/variant]`.
    pub platform: String,
    /// What to run, and how.
    pub config: ImageConfig,
    /// The layers, lowest first.
    pub layers: Vec<Layer>,
}

impl BoxliteRuntime {
    /// Returns all images in the cache, sorted by reference.
    ///
    /// # Errors
    /// `RUNTIME_CLOSED`; `STORAGE_IO` or `STORAGE_CORRUPT` if the cache can't be read.
    pub async fn images(&self) -> BoxliteResult<Vec<ImageInfo>> {
        self.enter(async {
            let in_use = self.home.images_in_use().await?;
            let images = self.home.images.list().await?;
            Ok(images.into_iter().map(|image| info(image, &in_use)).collect())
        })
        .await
    }

    /// Returns the image of `source`, which must be in the cache.
    ///
    /// # Errors
    /// `RUNTIME_CLOSED`; `IMAGE_NOT_CACHED`; `IMAGE_REFERENCE`; `STORAGE_IO` and `STORAGE_CORRUPT`.
    pub async fn inspect_image(&self, source: &str) -> BoxliteResult<ImageDetails> {
        let inspected = self.enter(async { Ok(self.home.images.inspect(source, None).await?) });
        let image = inspected.await?.ok_or_else(|| {
            let message = format!("inspect image {source}: it is not in the cache");
            BoxliteError::new(ErrorCode::ImageNotCached, message).hint("pull the image first")
        })?;
        Ok(ImageDetails {
            reference: image.reference,
            digest: image.digest,
            platform: image.platform.to_string(),
            config: image.config,
            layers: image.layers,
        })
    }

    /// Removes an image's reference and returns whether there was one. The root disk stays while a box needs it.
    ///
    /// # Errors
    /// `RUNTIME_CLOSED`; `IMAGE_REFERENCE`; `STORAGE_IO` if the cache can't be changed.
    pub async fn remove_image(&self, source: &str) -> BoxliteResult<bool> {
        self.enter(async {
            let removed = self.home.images.remove(source).await?;
            if removed {
                self.home.remove_orphan_disks().await?;
            }
            Ok(removed)
        })
        .await
    }

    /// Writes an image to an archive that docker, podman and skopeo read, and returns its size in bytes.
    ///
    /// # Errors
    /// `RUNTIME_CLOSED`; `IMAGE_NOT_CACHED`; `STORAGE_IO` and `STORAGE_FULL` if the archive can't be written.
    pub async fn save_image(&self, source: &str, file: PathBuf) -> BoxliteResult<u64> {
        self.enter(async { Ok(self.home.images.save(source, &file).await?) }).await
    }

    /// Brings all images of an archive, or of a layout folder, into the cache under their own names.
    ///
    /// # Errors
    /// `RUNTIME_CLOSED`; `IMAGE_NOT_FOUND` and its kin if the archive can't be used; `STORAGE_IO` and `STORAGE_FULL`.
    pub async fn load_images(&self, path: PathBuf) -> BoxliteResult<Vec<PulledImage>> {
        let images = self.enter(async { Ok(self.home.images.load(&path).await?) }).await?;
        let loaded = images.iter().map(PulledImage::from).collect();
        drop(images);
        keep_quota(&Arc::clone(&self.home));
        Ok(loaded)
    }
}

fn info(image: ImageSummary, in_use: &InUse) -> ImageInfo {
    ImageInfo {
        in_use: in_use.contains(&image.digest),
        reference: image.reference,
        platform: image.platform.to_string(),
        size_bytes: image.size,
        pulled_at_ms: image.pulled_at * 1000,
        used_at_ms: image.used_at * 1000,
        digest: image.digest,
    }
}
