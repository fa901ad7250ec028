//! From an opened source to an image in the store: the manifest for the platform, its configuration, its layers side by
//! side. Called by `manager`; a single blob is `transfer`'s.

use std::collections::HashSet;

use boxlite_error::ErrorCode;
use futures::{TryStreamExt, stream};
use oci_spec::image::{Descriptor, ImageManifest};

use crate::{
    config_file::{ConfigFile, MAX_CONFIG},
    digest::Digest,
    error::Error,
    hold::{Hold, Holds},
    manifest::{MAX_MANIFEST, Manifest, digest_of},
    options::ImageOptions,
    origin::{Origin, Root},
    platform::Platform,
    progress::{ProgressSink, PullEvent},
    store::ImageStore,
};

/// Layers that are fetched at the same time.
const PARALLEL: usize = 4;
/// How many indexes may lead to a manifest; real images have one.
const MAX_DEPTH: usize = 3;

/// One pull at work.
pub(crate) struct Fetch<'a> {
    pub(crate) store: &'a ImageStore,
    pub(crate) origin: &'a Origin,
    /// For messages.
    pub(crate) reference: &'a str,
    pub(crate) platform: &'a Platform,
    pub(crate) progress: Option<&'a ProgressSink>,
    /// The bounds of all pulls.
    pub(crate) options: &'a ImageOptions,
    /// Keeps what this pull needs from being collected.
    pub(crate) holds: &'a Holds,
}

/// What is now in the store.
pub(crate) struct Fetched {
    pub(crate) digest: Digest,
    /// All layers, as stored.
    pub(crate) size: u64,
    /// Keeps the image's blobs until it is remembered.
    pub(crate) hold: Hold,
}

impl Fetch<'_> {
    pub(crate) async fn run(&self) -> Result<Fetched, Error> {
        self.emit(|| PullEvent::Resolving { reference: self.reference.to_owned() });
        let (manifest, bytes, digest) = self.resolve().await?;
        let size = self.check_size(&manifest)?;
        self.emit(|| PullEvent::Resolved {
            digest: digest.to_string(),
            layers: manifest.layers().len(),
            bytes: size,
        });
        let hold = self.holds.hold(keys(&blobs_of(&manifest, &digest)?))?;
        self.check_space(&manifest).await?;
        self.config(&manifest).await?;
        stream::iter(manifest.layers().iter().map(Ok))
            .try_for_each_concurrent(PARALLEL, |layer| self.layer(layer))
            .await?;
        self.store.put(&digest, bytes).await?;
        self.emit(|| PullEvent::Done { digest: digest.to_string() });
        Ok(Fetched { digest, size, hold })
    }

    /// Checks the free space first, since running out of it halfway costs the user minutes.
    async fn check_space(&self, manifest: &ImageManifest) -> Result<(), Error> {
        let mut needed: u64 = 0;
        for layer in manifest.layers() {
            needed = needed.saturating_add(self.store.missing(&digest_of(layer)?, layer.size()).await?);
        }
        let free = self.store.free().await?;
        if needed == 0 || needed.saturating_add(self.options.reserve_bytes) <= free {
            return Ok(());
        }
        Err(Error::new(
            ErrorCode::StorageFull,
            format!(
                "fetch {}: {needed} bytes are to be stored, {free} are free, and {} stay so",
                self.reference, self.options.reserve_bytes
            ),
        ))
    }

    /// Goes through indexes until it is at the platform's own manifest.
    async fn resolve(&self) -> Result<(ImageManifest, Vec<u8>, Digest), Error> {
        let mut root = self.origin.root().await?;
        for _ in 0..=MAX_DEPTH {
            let candidates = match root {
                Root::Candidates(candidates) => candidates,
                Root::Manifest(bytes, digest) => match Manifest::parse(&bytes, &digest)? {
                    Manifest::Image(image) => return Ok((*image, bytes, digest)),
                    Manifest::Index(index) => index.manifests().clone(),
                },
            };
            let chosen = self.choose(&candidates)?;
            let digest = digest_of(chosen)?;
            if chosen.size() > MAX_MANIFEST {
                return Err(Error::new(
                    ErrorCode::ImageTooLarge,
                    format!("fetch manifest {digest}: {} bytes", chosen.size()),
                ));
            }
            root = Root::Manifest(self.origin.manifest(&digest).await?, digest);
        }
        Err(Error::corrupt(format!("resolve {}: indexes within indexes", self.reference)))
    }

    /// The best manifest for the platform. If there is only one and it names no platform, its configuration decides.
    fn choose<'d>(&self, candidates: &'d [Descriptor]) -> Result<&'d Descriptor, Error> {
        let ranked = candidates.iter().filter_map(|item| {
            let rank = self.platform.rank(&Platform::of(item)?)?;
            Some((rank, item))
        });
        if let Some((_, best)) = ranked.min_by_key(|(rank, _)| *rank) {
            return Ok(best);
        }
        if let [single] = candidates
            && single.platform().is_none()
        {
            return Ok(single);
        }
        let mut has: Vec<String> = candidates
            .iter()
            .map(|item| Platform::of(item).map_or_else(|| "unknown".into(), |platform| platform.to_string()))
            // Attestations stand in an index under this platform.
            .filter(|platform| platform != "unknown/unknown")
            .collect();
        has.sort();
        has.dedup();
        Err(self.no_platform(&has.join(", ")))
    }

    fn no_platform(&self, has: &str) -> Error {
        let has = if has.is_empty() { "nothing" } else { has };
        let message = format!("resolve {} for {}: the image has {has}", self.reference, self.platform);
        Error::new(ErrorCode::ImagePlatform, message)
    }

    fn check_size(&self, manifest: &ImageManifest) -> Result<u64, Error> {
        let size = manifest.layers().iter().fold(0_u64, |sum, layer| sum.saturating_add(layer.size()));
        if size > self.options.max_image_bytes || manifest.config().size() > MAX_CONFIG {
            return Err(Error::new(
                ErrorCode::ImageTooLarge,
                format!(
                    "fetch {}: {size} bytes of layers, of which {} are allowed",
                    self.reference, self.options.max_image_bytes
                ),
            ));
        }
        Ok(size)
    }

    /// Fetches the configuration and checks that it fits platform and manifest.
    async fn config(&self, manifest: &ImageManifest) -> Result<(), Error> {
        let digest = digest_of(manifest.config())?;
        self.blob(manifest.config(), None).await?;
        let bytes = self.store.read(&digest, MAX_CONFIG).await?;
        let bytes =
            bytes.ok_or_else(|| Error::corrupt(format!("read image configuration {digest}: it is gone")))?;
        let config = ConfigFile::parse(&bytes, &digest)?;
        let platform = config.platform();
        if self.platform.rank(&platform).is_none() {
            return Err(self.no_platform(&platform.to_string()));
        }
        let diff_ids = config.into_parts().1.len();
        let layers = manifest.layers().len();
        if diff_ids == layers {
            return Ok(());
        }
        Err(Error::corrupt(format!(
            "read image {}: {layers} layers, but {diff_ids} diff_ids in its configuration",
            self.reference
        )))
    }

    async fn layer(&self, layer: &Descriptor) -> Result<(), Error> {
        let digest = layer.digest().to_string();
        self.emit(|| PullEvent::LayerStarted { digest: digest.clone(), size: layer.size() });
        let cached = self.blob(layer, self.progress).await?;
        self.emit(|| PullEvent::LayerDone { digest, cached });
        Ok(())
    }

    fn emit(&self, event: impl FnOnce() -> PullEvent) {
        if let Some(progress) = self.progress {
            progress.send(event());
        }
    }
}

/// All blobs of an image, its manifest among them.
pub(crate) fn blobs_of(manifest: &ImageManifest, digest: &Digest) -> Result<HashSet<Digest>, Error> {
    let parts = manifest.layers().iter().chain([manifest.config()]);
    parts.map(digest_of).chain([Ok(digest.clone())]).collect()
}

/// The keys by which blobs are held; see [`Holds`].
pub(crate) fn keys(blobs: &HashSet<Digest>) -> impl Iterator<Item = String> {
    blobs.iter().map(|blob| blob.hex().to_owned())
}
