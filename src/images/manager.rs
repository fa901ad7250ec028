//! `ImageManager`: the images of a home. Called by the runtime for every box that starts from an image.

use std::{
    path::{Path, PathBuf},
    sync::Arc,
};

use boxlite_error::ErrorCode;

use crate::{
    blocking::blocking,
    error::Error,
    fetch::Fetch,
    flight::Flights,
    hold::Holds,
    image::Image,
    layout::OciLayout,
    options::{ImageOptions, PullOptions, PullPolicy},
    origin::Origin,
    platform::Platform,
    registry::Registries,
    source::Source,
    store::{ImageStore, IndexEntry, seconds_now},
    unpack::Scratch,
};

/// Pulls, lists and removes images. Cheap to clone; clones share everything.
#[derive(Debug, Clone)]
pub struct ImageManager {
    pub(crate) inner: Arc<Inner>,
}

#[derive(Debug)]
pub(crate) struct Inner {
    pub(crate) store: ImageStore,
    registries: Registries,
    flights: Flights<(String, Platform, PullPolicy), Result<Image, Error>>,
    pub(crate) holds: Holds,
    options: ImageOptions,
}

impl ImageManager {
    /// Opens the images folder `dir`, usually `<home>/images`.
    ///
    /// # Errors
    /// The folder can't be made.
    pub fn open(dir: impl Into<PathBuf>, options: ImageOptions) -> Result<Self, Error> {
        let store = ImageStore::open(dir)?;
        let inner = Inner {
            holds: Holds::open(&store.dir.join("holds.lock"))?,
            store,
            flights: Flights::default(),
            registries: Registries::new(options.clone()),
            options,
        };
        Ok(Self { inner: Arc::new(inner) })
    }

    /// Brings an image into the store and returns it; see `source.rs` for what `source` may be. Callers that ask for the
    /// same image at the same time share one pull. Dropping the future leaves partial blobs, which the next pull resumes.
    ///
    /// # Errors
    /// `source` is malformed, the image can't be fetched or is refused, or the store fails; see [`ErrorCode`].
    pub async fn pull(&self, source: &str, options: PullOptions) -> Result<Image, Error> {
        let mut candidates = self.candidates(source)?;
        let platform = options.platform.clone().unwrap_or_else(Platform::host);
        if candidates.len() > 1 && options.policy != PullPolicy::Always {
            // A name that was found in one registry means that image until it is asked for anew.
            for candidate in &candidates {
                if self.cached(&candidate.to_string(), &platform).await?.is_some() {
                    candidates = vec![candidate.clone()];
                    break;
                }
            }
        }
        let mut failed = None;
        for source in candidates {
            let reference = source.to_string();
            let key = (reference.clone(), platform.clone(), options.policy);
            let pull = |progress| {
                let options = PullOptions { progress: Some(progress), ..options.clone() };
                let (reference, platform) = (&reference, &platform);
                async move { self.pull_once(source, reference, platform, &options).await }
            };
            match self.inner.flights.run(key, options.progress.as_ref(), pull).await {
                // For an image that a user may not see, registries answer either of the two.
                Err(error)
                    if matches!(error.code(), ErrorCode::ImageNotFound | ErrorCode::ImageUnauthorized) =>
                {
                    failed.get_or_insert(error);
                }
                result => return result,
            }
        }
        Err(failed.unwrap_or_else(|| {
            Error::new(
                ErrorCode::ImageReference,
                format!("pull image {source:?}: no registry to look it up in"),
            )
        }))
    }

    /// What `source` may mean: several images, if it is a short name and there are several registries to search.
    pub(crate) fn candidates(&self, source: &str) -> Result<Vec<Source>, Error> {
        Source::parse(source, &self.inner.options.search)
    }

    async fn pull_once(
        &self,
        source: Source,
        reference: &str,
        platform: &Platform,
        options: &PullOptions,
    ) -> Result<Image, Error> {
        let remote = matches!(source, Source::Registry(_));
        // A folder may have changed since, and reading it again is cheap.
        if options.policy != PullPolicy::Always
            && (remote || !is_there(&source).await?)
            && let Some(image) = self.cached(reference, platform).await?
        {
            return Ok(image);
        }
        if remote && options.policy == PullPolicy::Never {
            return Err(Error::new(
                ErrorCode::ImageNotCached,
                format!(
                    "find image {reference} for {platform}: it is not in the store, and the policy is never to pull"
                ),
            ));
        }
        let origin = self.origin(source).await?;
        let (image, entry) = self.fetch(&origin, reference, platform, options).await?;
        self.inner.store.remember(vec![entry]).await?;
        Ok(image)
    }

    /// Fetches what `origin` has; the second value is what is to be remembered of it. The image keeps its blobs.
    pub(crate) async fn fetch(
        &self,
        origin: &Origin,
        reference: &str,
        platform: &Platform,
        options: &PullOptions,
    ) -> Result<(Image, IndexEntry), Error> {
        let fetch = Fetch {
            store: &self.inner.store,
            origin,
            reference,
            platform,
            progress: options.progress.as_ref(),
            options: &self.inner.options,
            holds: &self.inner.holds,
        };
        let fetched = fetch.run().await?;
        let image = self.open_image(reference, &fetched.digest).await?.ok_or_else(|| {
            Error::corrupt(format!("load image {reference}: a blob vanished right after it was fetched"))
        })?;
        let entry = IndexEntry {
            reference: reference.to_owned(),
            platform: platform.clone(),
            digest: fetched.digest,
            size: fetched.size,
            pulled_at: seconds_now(),
        };
        drop(fetched.hold);
        Ok((image, entry))
    }

    /// Where archives are unpacked: beside the blobs, so that what is free there is what counts.
    pub(crate) fn scratch(&self) -> Scratch {
        Scratch { dir: Arc::clone(&self.inner.store.dir), reserve: self.inner.options.reserve_bytes }
    }

    async fn origin(&self, source: Source) -> Result<Origin, Error> {
        match source {
            Source::Registry(reference) => {
                let route = self.inner.registries.route(&reference).await?;
                Ok(Origin::Registry(route, reference))
            }
            Source::Layout { path, tag } => {
                Ok(Origin::Layout(OciLayout::open(path, tag, self.scratch()).await?))
            }
            Source::Rootfs { path } => Ok(Origin::Layout(OciLayout::of_rootfs(path, self.scratch()).await?)),
        }
    }

    /// The store behind the manager.
    pub fn store(&self) -> &ImageStore {
        &self.inner.store
    }
}

/// Whether a source of this machine can still be read.
async fn is_there(source: &Source) -> Result<bool, Error> {
    let path = match source {
        Source::Registry(_) => return Ok(true),
        Source::Layout { path, .. } | Source::Rootfs { path } => path.clone(),
    };
    blocking(move || Ok(Path::new(&path).exists())).await
}
