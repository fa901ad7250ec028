//! What the store keeps: listing, measuring, forgetting, and removing the blobs that nobody wants any more. The rest of
//! [`ImageManager`] is in `manager`.

use std::collections::HashSet;

use crate::{
    Digest, Error, ImageManager, Platform,
    fetch::blobs_of,
    manifest::{MAX_MANIFEST, Manifest},
    store::IndexEntry,
};

/// An image that the store knows.
#[derive(Debug, Clone, PartialEq, Eq)]
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
    /// When it was last asked for, in seconds since 1970.
    pub used_at: u64,
}

/// Bytes that the store takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct StoreUsage {
    /// Of whole blobs.
    pub blobs: u64,
    /// Of what interrupted pulls left to be resumed.
    pub partial: u64,
}

impl ImageManager {
    /// All images that were pulled, by reference.
    pub async fn list(&self) -> Result<Vec<ImageSummary>, Error> {
        let entries = self.inner.store.entries().await?;
        Ok(entries.into_iter().map(|entry| self.summary(entry)).collect())
    }

    fn summary(&self, entry: IndexEntry) -> ImageSummary {
        let used_at = self.inner.store.touched(&entry.digest).unwrap_or_default().max(entry.pulled_at);
        ImageSummary {
            reference: entry.reference,
            platform: entry.platform,
            digest: entry.digest.into(),
            size: entry.size,
            pulled_at: entry.pulled_at,
            used_at,
        }
    }

    /// What the store takes.
    pub async fn usage(&self) -> Result<StoreUsage, Error> {
        let (blobs, partial) = self.inner.store.sizes().await?;
        Ok(StoreUsage { blobs, partial })
    }

    /// Forgets an image for all platforms and removes the blobs that nobody uses; whether there was one. What a pull or
    /// an [`crate::Image`] still holds goes with a later removal.
    pub async fn remove(&self, source: &str) -> Result<bool, Error> {
        for candidate in self.candidates(source)? {
            if !self.inner.store.forget(candidate.to_string()).await?.is_empty() {
                self.collect().await?;
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// Forgets the images of which `forget` says so, and removes the blobs that nobody uses, those of interrupted pulls
    /// among them. What was forgotten, and the bytes that this freed.
    pub async fn prune(
        &self,
        forget: impl Fn(&ImageSummary) -> bool + Send,
    ) -> Result<(Vec<ImageSummary>, u64), Error> {
        let mut forgotten = Vec::new();
        for image in self.list().await? {
            if forget(&image) {
                self.inner.store.forget_one(image.reference.clone(), image.platform.clone()).await?;
                forgotten.push(image);
            }
        }
        let freed = self.collect().await?;
        Ok((forgotten, freed))
    }

    /// Removes blobs that no image uses; the bytes that this freed.
    async fn collect(&self) -> Result<u64, Error> {
        let _alone = self.inner.collection.lock().await;
        let _collection = Collection::begin(self);
        let mut used = HashSet::new();
        for entry in self.inner.store.entries().await? {
            used.extend(self.blobs(&entry.digest).await?);
        }
        self.inner.store.keep_only(used, self.inner.holds.clone()).await
    }

    async fn blobs(&self, manifest: &Digest) -> Result<HashSet<Digest>, Error> {
        let Some(bytes) = self.inner.store.read(manifest, MAX_MANIFEST).await? else {
            return Ok(HashSet::new());
        };
        match Manifest::parse(&bytes, manifest)? {
            Manifest::Image(image) => blobs_of(&image, manifest),
            Manifest::Index(_) => Ok(HashSet::from([manifest.clone()])),
        }
    }
}

/// Ends the collection however it goes, its future dropped among the ways.
struct Collection<'a>(&'a ImageManager);

impl<'a> Collection<'a> {
    fn begin(images: &'a ImageManager) -> Self {
        images.inner.holds.begin_collection();
        Self(images)
    }
}

impl Drop for Collection<'_> {
    fn drop(&mut self) {
        self.0.inner.holds.end_collection();
    }
}
