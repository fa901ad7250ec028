//! `ImageManager`: the images of a home. Called by the runtime for every box that starts from an image.

use std::{
    collections::HashSet,
    path::{Path, PathBuf},
    sync::Arc,
};

use tokio::sync::RwLock;

use crate::{
    Digest, Error, ErrorKind, Image, ImageOptions, ImageStore, Layer, Platform, PullOptions, PullPolicy,
    blocking::blocking,
    fetch::Fetch,
    flight::Flights,
    image::config,
    layout::OciLayout,
    manifest::{MAX_CONFIG, MAX_MANIFEST, Manifest, digest_of},
    origin::Origin,
    registry::Registries,
    source::Source,
    store::{IndexEntry, seconds_now},
};

/// Pulls, lists and removes images. Cheap to clone; clones share everything.
#[derive(Debug, Clone)]
pub struct ImageManager {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    store: ImageStore,
    registries: Registries,
    flights: Flights<(String, Platform, PullPolicy), Result<Image, Error>>,
    /// Held for reading by pulls, for writing by whoever removes blobs.
    blobs: RwLock<()>,
    max_image_bytes: u64,
}

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
}

impl ImageManager {
    /// Opens the images folder `dir`, usually `<home>/images`.
    pub fn open(dir: impl Into<PathBuf>, options: ImageOptions) -> Result<Self, Error> {
        let inner = Inner {
            store: ImageStore::open(dir)?,
            flights: Flights::default(),
            blobs: RwLock::default(),
            max_image_bytes: options.max_image_bytes,
            registries: Registries::new(options),
        };
        Ok(Self { inner: Arc::new(inner) })
    }

    /// Brings an image into the store and returns it; see `source.rs` for what `source` may be. Callers that ask for the
    /// same image at the same time share one pull. Dropping the future leaves partial blobs, which the next pull resumes.
    pub async fn pull(&self, source: &str, options: PullOptions) -> Result<Image, Error> {
        let source = Source::parse(source)?;
        let platform = options.platform.clone().unwrap_or_else(Platform::host);
        let reference = source.to_string();
        let key = (reference.clone(), platform.clone(), options.policy);
        self.inner.flights.run(key, self.pull_once(source, &reference, &platform, &options)).await
    }

    async fn pull_once(
        &self,
        source: Source,
        reference: &str,
        platform: &Platform,
        options: &PullOptions,
    ) -> Result<Image, Error> {
        let _pulling = self.inner.blobs.read().await;
        let remote = matches!(source, Source::Registry(_));
        // A folder may have changed since, and looking costs nothing.
        if options.policy != PullPolicy::Always
            && (remote || !is_there(&source).await?)
            && let Some(image) = self.cached(reference, platform).await?
        {
            return Ok(image);
        }
        if remote && options.policy == PullPolicy::Never {
            return Err(Error::new(
                ErrorKind::NotCached,
                format!(
                    "find image {reference} for {platform}: it is not in the store, and the policy is never to pull"
                ),
            ));
        }
        let origin = self.origin(source).await?;
        let fetch = Fetch {
            store: &self.inner.store,
            origin: &origin,
            reference,
            platform,
            progress: options.progress.as_ref(),
            max_bytes: self.inner.max_image_bytes,
        };
        let fetched = fetch.run().await?;
        let image = self.load(reference, &fetched.digest).await?.ok_or_else(|| {
            Error::corrupt(format!("load image {reference}: a blob vanished right after it was fetched"))
        })?;
        let entry = IndexEntry {
            reference: reference.to_owned(),
            platform: platform.clone(),
            digest: fetched.digest,
            size: fetched.size,
            pulled_at: seconds_now(),
        };
        self.inner.store.remember(entry).await?;
        Ok(image)
    }

    async fn origin(&self, source: Source) -> Result<Origin, Error> {
        match source {
            Source::Registry(reference) => {
                let repository = self.inner.registries.repository(&reference).await?;
                Ok(Origin::Registry(repository, reference))
            }
            Source::Layout { path, tag } => Ok(Origin::Layout(OciLayout::open(path, tag).await?)),
        }
    }

    /// The image that `source` meant when it was last pulled for `platform` (`None`: this machine's), if all of it is
    /// still here. Asks no registry.
    pub async fn inspect(&self, source: &str, platform: Option<&Platform>) -> Result<Option<Image>, Error> {
        let reference = Source::parse(source)?.to_string();
        let platform = platform.cloned().unwrap_or_else(Platform::host);
        self.cached(&reference, &platform).await
    }

    async fn cached(&self, reference: &str, platform: &Platform) -> Result<Option<Image>, Error> {
        match self.inner.store.entry(reference, platform).await? {
            Some(entry) => self.load(reference, &entry.digest).await,
            None => Ok(None),
        }
    }

    /// Reads an image out of the store; `None` if a part of it is missing or damaged.
    async fn load(&self, reference: &str, digest: &Digest) -> Result<Option<Image>, Error> {
        let store = &self.inner.store;
        let Some(bytes) = store.read(digest, MAX_MANIFEST).await? else {
            return Ok(None);
        };
        let Manifest::Image(manifest) = Manifest::parse(&bytes, digest)? else {
            return Ok(None);
        };
        let config_digest = digest_of(manifest.config())?;
        let Some(bytes) = store.read(&config_digest, MAX_CONFIG).await? else {
            return Ok(None);
        };
        let file = config(&bytes, &config_digest)?;
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
        Ok(Some(Image { reference, digest, platform, config, layers }))
    }

    /// Reads every layer again. A damaged one is removed, so that the next pull fetches it, and told as an error of
    /// kind [`ErrorKind::Corrupt`]. Call this when a disk can't be made of the image.
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

    /// All images that were pulled, by reference.
    pub async fn list(&self) -> Result<Vec<ImageSummary>, Error> {
        let entries = self.inner.store.entries().await?;
        Ok(entries.into_iter().map(ImageSummary::from).collect())
    }

    /// Forgets an image for all platforms and removes the blobs that no other image uses; whether there was one. Blobs
    /// stay while pulls are under way: a later removal takes them. No disk may be being made of the image.
    pub async fn remove(&self, source: &str) -> Result<bool, Error> {
        let reference = Source::parse(source)?.to_string();
        let forgotten = self.inner.store.forget(reference).await?;
        if forgotten.is_empty() {
            return Ok(false);
        }
        if let Ok(_alone) = self.inner.blobs.try_write() {
            self.collect().await?;
        }
        Ok(true)
    }

    /// Removes blobs that no image uses, partial ones included.
    async fn collect(&self) -> Result<(), Error> {
        let mut used = HashSet::new();
        for entry in self.inner.store.entries().await? {
            used.insert(entry.digest.clone());
            let Some(bytes) = self.inner.store.read(&entry.digest, MAX_MANIFEST).await? else {
                continue;
            };
            if let Manifest::Image(manifest) = Manifest::parse(&bytes, &entry.digest)? {
                used.insert(digest_of(manifest.config())?);
                for layer in manifest.layers() {
                    used.insert(digest_of(layer)?);
                }
            }
        }
        self.inner.store.keep_only(used).await
    }

    /// The store behind the manager.
    pub fn store(&self) -> &ImageStore {
        &self.inner.store
    }
}

impl From<IndexEntry> for ImageSummary {
    fn from(entry: IndexEntry) -> Self {
        Self {
            reference: entry.reference,
            platform: entry.platform,
            digest: entry.digest.into(),
            size: entry.size,
            pulled_at: entry.pulled_at,
        }
    }
}

/// Whether a source of this machine can still be read.
async fn is_there(source: &Source) -> Result<bool, Error> {
    let path = match source {
        Source::Registry(_) => return Ok(true),
        Source::Layout { path, .. } => path.clone(),
    };
    blocking(move || Ok(Path::new(&path).exists())).await
}
