//! The cache's size: its quota, what goes first when that is exceeded, and the user's own cleaning up.
//!
//! An image is spared while a box was made of it, while a start or a pull is at it, and for a while after its last use.
//! Root disks whose image was forgotten go first, then the images that nobody asked for the longest.

use std::{
    collections::HashSet,
    sync::Arc,
    time::{Duration, SystemTime},
};

use crate::{BoxliteError, BoxliteResult, BoxliteRuntime, ErrorCode, LiteBox, shared::Shared};

/// How long an image is spared by the quota after its last use.
const RECENT: Duration = Duration::from_mins(10);

/// Bytes that a home takes on the disk, and may take.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
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

/// What a cleaning up brought.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Pruned {
    /// The references that were forgotten.
    pub images: Vec<String>,
    /// Bytes that are free again.
    pub freed: u64,
}

impl BoxliteRuntime {
    /// What the home takes.
    pub async fn image_usage(&self) -> BoxliteResult<ImageUsage> {
        self.check_open()?;
        let mut usage = self.shared.usage().await?;
        let folder = self.shared.layout.boxes();
        usage.boxes = blocking(move || Ok(allocated(&folder))).await?;
        Ok(usage)
    }

    /// Removes every image that no box was made of and nobody used for `unused_for`, and what interrupted pulls left.
    pub async fn prune_images(&self, unused_for: Duration) -> BoxliteResult<Pruned> {
        self.check_open()?;
        let before = self.shared.usage().await?;
        let shared = Arc::clone(&self.shared);
        let in_use = shared.images_in_use()?;
        let (forgotten, _) = shared
            .images
            .prune(|image| {
                !in_use.contains(&image.digest)
                    && !shared.leases.has(&image.digest)
                    && is_older(image.used_at, unused_for)
            })
            .await?;
        shared.remove_orphan_disks().await?;
        let after = shared.usage().await?;
        Ok(Pruned {
            images: forgotten.into_iter().map(|image| image.reference).collect(),
            freed: before.cache().saturating_sub(after.cache()),
        })
    }
}

impl ImageUsage {
    /// What counts against the quota.
    fn cache(&self) -> u64 {
        self.blobs + self.partial + self.disks
    }
}

/// Looks after the quota, without anybody waiting for it.
pub(crate) fn keep_quota(shared: &Arc<Shared>) {
    let shared = Arc::clone(shared);
    tokio::spawn(async move {
        if let Err(error) = shared.shrink().await {
            tracing::warn!(%error, "the image cache could not be kept within its quota");
        }
    });
}

impl Shared {
    /// The digests of the images that boxes were made of.
    pub(crate) fn images_in_use(self: &Arc<Self>) -> BoxliteResult<HashSet<String>> {
        Ok(self.all_boxes()?.iter().filter_map(LiteBox::image_digest).collect())
    }

    /// Removes the root disks of images that are forgotten and that nobody needs.
    pub(crate) async fn remove_orphan_disks(self: &Arc<Self>) -> BoxliteResult<()> {
        let known = self.images.list().await?;
        let known: HashSet<_> = known.into_iter().map(|image| image.digest).collect();
        let shared = Arc::clone(self);
        blocking(move || {
            for base in shared.disks.list()? {
                let wanted = known.contains(&base.image_digest)
                    || shared.images_in_use()?.contains(&base.image_digest);
                if !wanted {
                    let remove = || shared.disks.remove_file(&base);
                    shared.leases.unless_leased(&base.image_digest, remove).transpose()?;
                }
            }
            Ok(())
        })
        .await
    }

    async fn usage(self: &Arc<Self>) -> BoxliteResult<ImageUsage> {
        let store = self.images.usage().await?;
        let free = self.images.store().free().await?;
        let shared = Arc::clone(self);
        let disks = blocking(move || Ok(shared.disks.list()?.iter().map(|base| base.bytes).sum())).await?;
        let mut usage =
            ImageUsage { blobs: store.blobs, partial: store.partial, disks, free, ..ImageUsage::default() };
        // By default the cache and what is free share the disk half and half.
        usage.quota = self.image_quota.unwrap_or_else(|| usage.cache().saturating_add(free) / 2);
        Ok(usage)
    }

    /// Removes what is needed least until the cache is within its quota, or nothing more may go.
    async fn shrink(self: &Arc<Self>) -> BoxliteResult<()> {
        let usage = self.usage().await?;
        if usage.cache() <= usage.quota {
            return Ok(());
        }
        self.remove_orphan_disks().await?;
        let mut images = self.images.list().await?;
        images.sort_by_key(|image| image.used_at);
        for image in images {
            let usage = self.usage().await?;
            if usage.cache() <= usage.quota {
                break;
            }
            let spared = self.images_in_use()?.contains(&image.digest)
                || self.leases.has(&image.digest)
                || !is_older(image.used_at, RECENT);
            if spared {
                continue;
            }
            tracing::info!(image = image.reference, "image removed from the cache to keep its quota");
            self.images
                .prune(|other| other.reference == image.reference && other.platform == image.platform)
                .await?;
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

async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> BoxliteResult<T> + Send + 'static,
) -> BoxliteResult<T> {
    tokio::task::spawn_blocking(work)
        .await
        .map_err(|panic| BoxliteError::new(ErrorCode::Internal, "look after images").caused_by(panic))?
}
