//! What the store keeps: listing and measuring it, forgetting images, and removing the blobs that no image uses any more. The rest
//! of [`ImageManager`] is in `manager`.

use std::collections::HashSet;

use serde::{Deserialize, Serialize};

use crate::{
    blocking::blocking,
    digest::Digest,
    error::Error,
    fetch::blobs_of,
    manager::ImageManager,
    manifest::{MAX_MANIFEST, Manifest},
    platform::Platform,
    store::{ImageStore, IndexEntry},
};

/// An image that the store knows.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ImageSummary {
    /// The normalised reference.
    pub reference: String,
    /// The platform it was pulled for.
    pub platform: Platform,
    /// The manifest's digest.
    pub digest: String,
    /// The layers' size as stored, in bytes.
    pub size: u64,
    /// When it was pulled, in seconds since 1970.
    pub pulled_at: u64,
    /// When a pull or a start last used it, in seconds since 1970.
    pub used_at: u64,
}

/// Bytes that the store takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct StoreUsage {
    /// The size of whole blobs.
    pub blobs: u64,
    /// The size of what interrupted pulls left to be resumed.
    pub partial: u64,
}

impl ImageManager {
    /// Returns all images that were pulled, in the order of their references.
    ///
    /// # Errors
    /// The store can't be read.
    pub async fn list(&self) -> Result<Vec<ImageSummary>, Error> {
        let entries = self.inner.store.entries().await?;
        Ok(entries.into_iter().map(|entry| summary(&self.inner.store, &entry)).collect())
    }

    /// Returns the digests of all images that the store knows. Blocks.
    ///
    /// # Errors
    /// The store can't be read.
    pub fn digests(&self) -> Result<HashSet<String>, Error> {
        Ok(self.inner.store.load()?.images.into_iter().map(|entry| entry.digest.into()).collect())
    }

    /// Whether this process or another one pulls this image or has an [`Image`](crate::Image) of it.
    pub fn is_held(&self, digest: &str) -> bool {
        self.inner.holds.is_held(digest.strip_prefix("sha256:").unwrap_or(digest))
    }

    /// Measures the store.
    ///
    /// # Errors
    /// The store can't be read.
    pub async fn usage(&self) -> Result<StoreUsage, Error> {
        let (blobs, partial) = self.inner.store.sizes().await?;
        Ok(StoreUsage { blobs, partial })
    }

    /// Forgets an image for all platforms and removes the blobs that no other image uses. Returns whether there was such an image.
    /// Blobs that a pull or an [`Image`](crate::Image) still holds are removed by a later call.
    ///
    /// # Errors
    /// `source` is malformed, or the store can't be changed.
    pub async fn remove(&self, source: &str) -> Result<bool, Error> {
        for candidate in self.candidates(source)? {
            if !self.inner.store.forget(candidate.to_string()).await?.is_empty() {
                self.collect().await?;
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// Forgets the images for which `forget` returns true, and removes the blobs that no other image uses, those of interrupted
    /// pulls among them. Returns the forgotten images and the bytes that this freed. `forget` runs while no process can remember
    /// an image, so it must be quick.
    ///
    /// # Errors
    /// The store can't be changed.
    pub async fn prune(
        &self,
        forget: impl Fn(&ImageSummary) -> bool + Send + 'static,
    ) -> Result<(Vec<ImageSummary>, u64), Error> {
        let store = self.inner.store.clone();
        let choose = move |images: &mut Vec<IndexEntry>| {
            let forgotten = images.extract_if(.., |entry| forget(&summary(&store, entry)));
            forgotten.map(|entry| summary(&store, &entry)).collect()
        };
        let forgotten = self.inner.store.change(choose).await?;
        let freed = self.collect().await?;
        Ok((forgotten, freed))
    }

    /// Removes blobs that no image uses, and returns the bytes that this freed. No process remembers an image meanwhile, and what a
    /// pull has fetched is held until it is remembered.
    async fn collect(&self) -> Result<u64, Error> {
        let (store, holds) = (self.inner.store.clone(), self.inner.holds.clone());
        blocking(move || {
            let locked = store.lock()?;
            let mut used = HashSet::new();
            for entry in &locked.index.images {
                used.extend(blobs(&store, &entry.digest)?);
            }
            store.keep_only(&used, &holds)
        })
        .await
    }
}

fn summary(store: &ImageStore, entry: &IndexEntry) -> ImageSummary {
    ImageSummary {
        reference: entry.reference.clone(),
        platform: entry.platform.clone(),
        digest: entry.digest.to_string(),
        size: entry.size,
        pulled_at: entry.pulled_at,
        used_at: store.touched(&entry.digest).unwrap_or_default().max(entry.pulled_at),
    }
}

fn blobs(store: &ImageStore, manifest: &Digest) -> Result<HashSet<Digest>, Error> {
    let Some(bytes) = store.read_now(manifest, MAX_MANIFEST)? else {
        return Ok(HashSet::new());
    };
    match Manifest::parse(&bytes, manifest)? {
        Manifest::Image(image) => blobs_of(&image, manifest),
        Manifest::Index(_) => Ok(HashSet::from([manifest.clone()])),
    }
}
