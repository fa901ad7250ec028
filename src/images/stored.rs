//! Images as the store has them: looked up, opened, checked, without any registry. Called by `manager` before a pull and after it,
//! and by the runtime for what is here.

use std::sync::Arc;

use crate::{
    config_file::{ConfigFile, MAX_CONFIG},
    digest::Digest,
    error::Error,
    fetch::{blobs_of, keys},
    image::{Image, Layer},
    manager::ImageManager,
    manifest::{MAX_MANIFEST, Manifest, digest_of},
    platform::Platform,
};

impl ImageManager {
    /// The image that `source` meant when it was last pulled for `platform` (`None`: this machine's), if all of it is
    /// still here. No registry is contacted.
    ///
    /// # Errors
    /// `source` is malformed, or the store can't be read.
    pub async fn inspect(&self, source: &str, platform: Option<&Platform>) -> Result<Option<Image>, Error> {
        let platform = platform.cloned().unwrap_or_else(Platform::host);
        for candidate in self.candidates(source)? {
            if let Some(image) = self.cached(&candidate.to_string(), &platform).await? {
                return Ok(Some(image));
            }
        }
        Ok(None)
    }

    pub(crate) async fn cached(&self, reference: &str, platform: &Platform) -> Result<Option<Image>, Error> {
        let store = &self.inner.store;
        let Some(entry) = store.entry(reference, platform).await? else { return Ok(None) };
        let image = self.open_image(reference, &entry.digest).await?;
        if image.is_some() {
            store.touch(&entry.digest).await;
        }
        Ok(image)
    }

    /// Reads an image out of the store; `None` if a part of it is missing or damaged.
    pub(crate) async fn open_image(&self, reference: &str, digest: &Digest) -> Result<Option<Image>, Error> {
        let store = &self.inner.store;
        let Some(bytes) = store.read(digest, MAX_MANIFEST).await? else {
            return Ok(None);
        };
        let Manifest::Image(manifest) = Manifest::parse(&bytes, digest)? else {
            return Ok(None);
        };
        let config_digest = digest_of(manifest.config())?;
        // From here on, so that what is found stays.
        let hold = Arc::new(self.inner.holds.hold(keys(&blobs_of(&manifest, digest)?))?);
        let Some(bytes) = store.read(&config_digest, MAX_CONFIG).await? else {
            return Ok(None);
        };
        let file = ConfigFile::parse(&bytes, &config_digest)?;
        let platform = file.platform();
        let (config, diff_ids) = file.into_parts();
        let mut layers = Vec::new();
        for (layer, diff_id) in manifest.layers().iter().zip(diff_ids) {
            let digest = digest_of(layer)?;
            if !store.has(&digest, layer.size()).await? {
                return Ok(None);
            }
            layers.push(Layer {
                path: store.blob_path(&digest),
                digest: digest.into(),
                diff_id: diff_id.into(),
                media_type: layer.media_type().to_string(),
                size: layer.size(),
            });
        }
        let (reference, digest) = (reference.to_owned(), digest.to_string());
        Ok(Some(Image { reference, digest, platform, config, layers, hold }))
    }

    /// Reads every layer again. A damaged one is removed, so that the next pull fetches it, and reported as an error of
    /// kind [`ErrorCode::ImageCorrupt`](boxlite_error::ErrorCode::ImageCorrupt). Call this when a disk can't be made of the image.
    ///
    /// # Errors
    /// A layer is damaged, or the store fails.
    pub async fn verify(&self, image: &Image) -> Result<(), Error> {
        let mut damaged = Vec::new();
        for layer in &image.layers {
            if !self.inner.store.verify(&layer.digest.parse()?).await? {
                damaged.push(layer.digest.as_str());
            }
        }
        if damaged.is_empty() {
            return Ok(());
        }
        Err(Error::corrupt(format!(
            "verify image {}: damaged in the store: {}",
            image.reference,
            damaged.join(", ")
        )))
    }
}
