//! The cache's size: its quota, what goes first when that is exceeded, and the user's own cleaning up.
//!
//! An image is spared while a box was made of it, while a start or a pull in any process leases it, and for a while after its
//! last use.
//! Root disks whose image was removed go first, then the least recently requested images.

use std::{
    sync::Arc,
    time::{Duration, SystemTime},
};

use boxlite_error::BoxliteResult;
use boxlite_images::ImageSummary;
use serde::{Deserialize, Serialize};

use crate::{
    blocking::blocking,
    home::open_home::OpenHome,
    images::in_use::InUse,
    runtime::BoxliteRuntime,
    state::lock::{FileLock, Mode},
};

/// How long an image is spared by the quota after its last use.
const RECENT: Duration = Duration::from_mins(10);

/// Bytes that a home takes on the disk, and may take.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct ImageUsage {
    /// Layers, manifests and configurations.
    pub blobs: u64,
    /// What interrupted pulls left to be resumed.
    pub partial: u64,
    /// Root disks made of images.
    pub disks: u64,
    /// What boxes wrote: their own disks and logs.
    pub boxes: u64,
    /// What `blobs`, `partial` and `disks` may take together.
    pub quota: u64,
    /// What is free on the file system of the cache.
    pub free: u64,
}

/// The result of a prune.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Pruned {
    /// The references that were forgotten.
    pub images: Vec<String>,
    /// Bytes that are free again.
    pub freed: u64,
}

impl BoxliteRuntime {
    /// Returns what the home takes on the disk.
    ///
    /// # Errors
    /// `RUNTIME_CLOSED`; `STORAGE_IO` if the home can't be read.
    pub async fn image_usage(&self) -> BoxliteResult<ImageUsage> {
        self.enter(async {
            let mut usage = self.home.usage().await?;
            let folder = self.home.layout.boxes();
            usage.boxes = blocking("measure the boxes", move || Ok(allocated(&folder))).await?;
            Ok(usage)
        })
        .await
    }

    /// Removes every image that no box was made of and that was unused for `unused_for`, and what interrupted pulls left.
    ///
    /// # Errors
    /// `RUNTIME_CLOSED`; `STORAGE_IO` if the cache can't be read or changed.
    pub async fn prune_images(&self, unused_for: Duration) -> BoxliteResult<Pruned> {
        self.enter(async {
            let before = self.home.usage().await?;
            let in_use = self.home.images_in_use().await?;
            let home = Arc::clone(&self.home);
            let unwanted = move |image: &ImageSummary| {
                !in_use.contains(&image.digest)
                    && !home.is_wanted(&image.digest)
                    && is_older(image.used_at, unused_for)
            };
            let (forgotten, _) = self.home.images.prune(unwanted).await?;
            self.home.remove_orphan_disks().await?;
            let after = self.home.usage().await?;
            Ok(Pruned {
                images: forgotten.into_iter().map(|image| image.reference).collect(),
                freed: before.cache().saturating_sub(after.cache()),
            })
        })
        .await
    }
}

impl ImageUsage {
    /// What counts against the quota.
    fn cache(&self) -> u64 {
        self.blobs + self.partial + self.disks
    }
}

/// Enforces the quota in the background.
pub(crate) fn keep_quota(home: &Arc<OpenHome>) {
    let this = Arc::clone(home);
    home.spawn(async move {
        if let Err(error) = this.shrink().await {
            tracing::warn!(%error, "the image cache could not be kept within its quota");
        }
    });
}

impl OpenHome {
    /// Returns the images that boxes of all processes were made of.
    pub(crate) async fn images_in_use(&self) -> BoxliteResult<InUse> {
        let layout = self.layout.clone();
        blocking("find the images in use", move || InUse::of(&layout)).await
    }

    /// Returns whether a pull or a start of any process leases an image.
    fn is_wanted(&self, digest: &str) -> bool {
        self.images.is_held(digest) || self.leases.is_held(digest)
    }

    /// Removes the root disks of removed images that no box needs.
    pub(crate) async fn remove_orphan_disks(self: &Arc<Self>) -> BoxliteResult<()> {
        let home = Arc::clone(self);
        blocking("remove root disks", move || {
            for base in home.disks.list()? {
                // The lock keeps new leases out until the removal, and earlier leases were checked.
                let remove = || {
                    let digest = &base.image_digest;
                    let wanted =
                        home.images.digests()?.contains(digest) || InUse::of(&home.layout)?.contains(digest);
                    if wanted { BoxliteResult::Ok(false) } else { Ok(home.disks.remove_file(&base)?) }
                };
                home.leases.unless_held(&base.image_digest, remove).transpose()?;
            }
            BoxliteResult::Ok(())
        })
        .await
    }

    async fn usage(self: &Arc<Self>) -> BoxliteResult<ImageUsage> {
        let store = self.images.usage().await?;
        let free = self.images.store().free().await?;
        let home = Arc::clone(self);
        let disks = blocking("measure the root disks", move || {
            Ok(home.disks.list()?.iter().map(|base| base.bytes).sum())
        })
        .await?;
        let mut usage =
            ImageUsage { blobs: store.blobs, partial: store.partial, disks, free, ..ImageUsage::default() };
        // By default the cache and what is free share the disk half and half.
        usage.quota = self.options.image_quota.unwrap_or_else(|| usage.cache().saturating_add(free) / 2);
        Ok(usage)
    }

    /// Removes the least recently requested until the cache is within its quota or nothing more may be removed.
    async fn shrink(self: &Arc<Self>) -> BoxliteResult<()> {
        let usage = self.usage().await?;
        if usage.cache() <= usage.quota {
            return Ok(());
        }
        // One process at a time: two that measure and remove side by side would remove too much.
        FileLock::make(&self.layout.quota_lock())?;
        let Some(_lock) = FileLock::try_take(&self.layout.quota_lock(), Mode::Exclusive)? else {
            return Ok(());
        };
        self.remove_orphan_disks().await?;
        let mut images = self.images.list().await?;
        images.sort_by_key(|image| image.used_at);
        for image in images {
            let usage = self.usage().await?;
            if usage.cache() <= usage.quota {
                break;
            }
            if !is_older(image.used_at, RECENT) || self.images_in_use().await?.contains(&image.digest) {
                continue;
            }
            tracing::info!(image = image.reference, "image removed from the cache to keep its quota");
            let home = Arc::clone(self);
            let this = move |other: &ImageSummary| {
                let same = other.reference == image.reference && other.platform == image.platform;
                // It may have been requested since.
                same && is_older(other.used_at, RECENT) && !home.is_wanted(&other.digest)
            };
            self.images.prune(this).await?;
            self.remove_orphan_disks().await?;
        }
        Ok(())
    }
}

/// Whether `seconds` since 1970 lie at least `age` back.
fn is_older(seconds: u64, age: Duration) -> bool {
    let then = SystemTime::UNIX_EPOCH + Duration::from_secs(seconds);
    // A clock that was set back makes nothing old.
    age.is_zero() || SystemTime::now().duration_since(then).is_ok_and(|since| since >= age)
}

/// Bytes that the files below a folder take on the disk; files that go meanwhile don't count.
fn allocated(folder: &std::path::Path) -> u64 {
    use std::os::unix::fs::MetadataExt;
    let entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
    entries
        .map(|entry| match entry.metadata() {
            Ok(meta) if meta.is_dir() => allocated(&entry.path()),
            Ok(meta) => meta.blocks() * 512,
            Err(_) => 0,
        })
        .sum()
}
