//! The first half of a start: from the image's name to the box's own disk. Only the first start of a box has work here.

use std::{fs, sync::Arc};

use boxlite_disk::{BaseDisk, Cancel, LayerFile, Overlay};
use boxlite_error::{BoxliteError, BoxliteResult, ErrorCode, Stage, Term, text};
use boxlite_images::{FailedAttempt, Hold, Image, PullOptions};
use tempfile::TempPath;

use crate::{
    blocking::blocking,
    images::{cache::keep_quota, pull_reporter::PullReporter},
    pipeline::Pipeline,
    state::config::ResolvedImage,
};

/// An overlay that this start made: gone again unless the start succeeds.
pub(super) struct NewDisk {
    path: TempPath,
    lease: Hold,
}

impl NewDisk {
    /// Keeps it. The lease on its base is needed until the box is known to use it.
    pub(super) fn keep(self) -> BoxliteResult<Hold> {
        self.path.keep().map_err(|failed| BoxliteError::io("keep disk", &failed.path, failed.error))?;
        Ok(self.lease)
    }
}

impl Pipeline {
    /// Makes the box's disk if it has none.
    pub(super) async fn disk(&mut self) -> BoxliteResult<Option<NewDisk>> {
        if self.config.resolved.is_some() {
            return Ok(None);
        }
        let (image, base, lease) = match self.image_and_base().await {
            Err(failed) => {
                self.home.images.repair(failed).await?;
                self.image_and_base().await?
            }
            Ok(made) => made,
        };
        let path = self.paths.disk();
        let kept =
            TempPath::try_from_path(&path).map_err(|error| BoxliteError::io("make disk", &path, error))?;
        let new_disk = NewDisk { path: kept, lease };
        let size = self.config.options.disk_size_mib.map(|mebibytes| u64::from(mebibytes) << 20);
        let held = Arc::clone(&self.lock);
        let overlay = blocking("make a disk", move || {
            let _held = held;
            // What a killed start may have left.
            let _ = fs::remove_file(&path);
            let remedy = text!["raise ", Term::Option("disk_size_mib"), ", or leave it out"];
            let made = Overlay::create(path, &base, size);
            made.map(|overlay| overlay.virtual_size).map_err(|error| match error.code() {
                ErrorCode::ImageTooLarge => BoxliteError::from(error).hint(remedy),
                _ => error.into(),
            })
        });
        let size = self.stage(Stage::Disk, overlay).await?;
        self.config.options.disk_size_mib = u32::try_from(size >> 20).ok();
        self.config.resolved = Some(ResolvedImage { digest: image.digest, config: image.config });
        keep_quota(&self.home);
        Ok(Some(new_disk))
    }

    /// The image and its base disk, with a lease on the disk.
    async fn image_and_base(&self) -> Result<(Image, BaseDisk, Hold), FailedAttempt> {
        let image = self.image().await?;
        self.config.check_image(&image.config).map_err(|error| error.at(Stage::Image))?;
        let lease = self.home.leases.hold([image.digest.clone()])?;
        match self.rootfs(&image).await {
            Ok(base) => Ok((image, base, lease)),
            Err(error) => Err(FailedAttempt::with(image, error)),
        }
    }

    /// Finds the image in the cache, or pulls it.
    async fn image(&self) -> BoxliteResult<Image> {
        let (home, reference) = (Arc::clone(&self.home), self.config.options.image.clone());
        let reporter = PullReporter::new(&home.events, Some(&self.config.id), &reference);
        let mut options = PullOptions::with_policy(self.config.options.pull_policy);
        options.progress = Some(reporter.sink(drop));
        let pull = async { Ok(Box::pin(home.images.pull(&reference, options)).await?) };
        let pulled = self.stage(Stage::Image, pull).await;
        reporter.end(pulled.as_ref().map(|image| image.digest.as_str()));
        pulled
    }

    /// Merges the image's layers into its base disk, or finds it in the cache.
    async fn rootfs(&self, image: &Image) -> BoxliteResult<BaseDisk> {
        let layers: Vec<_> = image
            .layers
            .iter()
            .map(|layer| LayerFile { path: layer.path.clone(), diff_id: layer.diff_id.clone() })
            .collect();
        let disks = Arc::clone(&self.home.disks);
        let digest = image.digest.clone();
        // A start that is given up leaves no work behind.
        let cancel = Cancel::default();
        let _dropped = cancel.on_drop();
        let made = blocking("make a root disk", move || Ok(disks.base(&digest, &layers, &cancel)?));
        self.stage(Stage::Rootfs, made).await
    }
}
