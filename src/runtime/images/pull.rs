//! One pull: from an image's name to a root disk that boots, with its progress. Made by [`BoxliteRuntime::pull`].

use std::sync::Arc;

use boxlite_disk::{Cancel, LayerFile};
use boxlite_error::{BoxliteError, BoxliteResult, ErrorCode};
use boxlite_images::{FailedAttempt, Image, Platform, PullEvent, PullOptions, PullPolicy};
use futures::{
    FutureExt,
    future::{BoxFuture, Shared as SharedFuture},
};
use serde::{Deserialize, Serialize};
use tokio::task::AbortHandle;

use crate::{
    blocking::blocking,
    home::open_home::OpenHome,
    images::{
        cache::keep_quota,
        pull_reporter::PullReporter,
        steps::{Progress, StepReader, Steps},
    },
    runtime::BoxliteRuntime,
};

/// What to pull, and how.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct PullRequest {
    /// A registry reference, or a path on this machine.
    pub source: String,
    /// When to query the source.
    pub policy: PullPolicy,
    /// `None` is this machine's.
    pub platform: Option<Platform>,
}

/// An image in the cache.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PulledImage {
    /// The reference, in full.
    pub reference: String,
    /// Digest of the manifest for this machine's platform.
    pub digest: String,
    /// Bytes of its layers as they were downloaded.
    pub size_bytes: u64,
    /// How many layers it has.
    pub layers: usize,
}

impl From<&Image> for PulledImage {
    fn from(image: &Image) -> Self {
        Self {
            reference: image.reference.clone(),
            digest: image.digest.clone(),
            size_bytes: image.layers.iter().map(|layer| layer.size).sum(),
            layers: image.layers.len(),
        }
    }
}

/// A pull under way. Dropping it does not end it.
#[derive(Debug, Clone)]
pub struct Pull {
    steps: StepReader,
    abort: AbortHandle,
    result: SharedFuture<BoxFuture<'static, BoxliteResult<PulledImage>>>,
}

impl BoxliteRuntime {
    /// Starts to fetch an image into the cache, and to make its root disk if it is for this machine.
    ///
    /// # Errors
    /// `RUNTIME_CLOSED`. [`Pull::wait`] returns the errors of the pull itself.
    pub fn pull(&self, request: PullRequest) -> BoxliteResult<Pull> {
        self.check_open()?;
        let (home, source) = (Arc::clone(&self.home), request.source.clone());
        let steps = Arc::new(Steps::default());
        let reader = steps.reader();
        let task = self.home.spawn(async move {
            let reporter = PullReporter::new(&home.events, None, &request.source);
            let pulled = pull(&home, request, &steps, &reporter).await;
            reporter.end(pulled.as_ref().map(|image| image.digest.as_str()));
            pulled
        });
        let abort = task.abort_handle();
        let result = async move {
            task.await.unwrap_or_else(|error| {
                let code = if error.is_cancelled() { ErrorCode::ImageCancelled } else { ErrorCode::Internal };
                Err(BoxliteError::new(code, format!("pull image {source}: cancelled")).caused_by(error))
            })
        };
        Ok(Pull { steps: reader, abort, result: result.boxed().shared() })
    }
}

impl Pull {
    /// Waits for steps behind the position `after`, where 0 is before the first, and returns them with the position of the last.
    /// Returns `None` when the pull has ended and there are none. A slow reader misses only intermediate counts of bytes.
    pub async fn next(&self, after: u64) -> Option<(Vec<Progress>, u64)> {
        self.steps.after(after).await
    }

    /// Waits for the image.
    ///
    /// # Errors
    /// Fails as the pull did, for example with `IMAGE_NOT_FOUND`, `REGISTRY_UNREACHABLE` or `IMAGE_CANCELLED`.
    pub async fn wait(&self) -> BoxliteResult<PulledImage> {
        self.result.clone().await
    }

    /// Cancels the pull. What has arrived stays, and the next pull resumes there.
    pub fn cancel(&self) {
        self.abort.abort();
    }
}

async fn pull(
    home: &Arc<OpenHome>,
    request: PullRequest,
    steps: &Arc<Steps>,
    reporter: &Arc<PullReporter>,
) -> BoxliteResult<PulledImage> {
    let image = match attempt(home, &request, steps, reporter).await {
        Err(failed) => {
            home.images.repair(failed).await?;
            attempt(home, &request, steps, reporter).await?
        }
        Ok(image) => image,
    };
    steps.push(Progress::Done { digest: image.digest.clone() });
    let pulled = PulledImage::from(&image);
    drop(image);
    keep_quota(home);
    Ok(pulled)
}

/// Fetches the image, and makes its root disk if it is for this machine.
async fn attempt(
    home: &Arc<OpenHome>,
    request: &PullRequest,
    steps: &Arc<Steps>,
    reporter: &Arc<PullReporter>,
) -> Result<Image, FailedAttempt> {
    // The steps end with the pull, however long somebody holds its sink.
    let sent = Arc::downgrade(steps);
    let mut options = PullOptions::with_policy(request.policy);
    options.platform.clone_from(&request.platform);
    options.progress = Some(reporter.sink(move |event| {
        // The runtime reports its own `Done` once the root disk is made.
        if let Some(sent) = sent.upgrade().filter(|_| !matches!(event, PullEvent::Done { .. })) {
            sent.push(Progress::Image(event));
        }
    }));
    let image = Box::pin(home.images.pull(&request.source, options)).await?;
    let host = Platform::host();
    if image.platform.os == host.os && image.platform.architecture == host.architecture {
        steps.push(Progress::Assembling { digest: image.digest.clone() });
        if let Err(error) = assemble(home, &image).await {
            return Err(FailedAttempt::with(image, error));
        }
    }
    Ok(image)
}

async fn assemble(home: &Arc<OpenHome>, image: &Image) -> BoxliteResult<()> {
    let _lease = home.leases.hold([image.digest.clone()])?;
    let layers: Vec<_> = image
        .layers
        .iter()
        .map(|layer| LayerFile { path: layer.path.clone(), diff_id: layer.diff_id.clone() })
        .collect();
    let (disks, image) = (Arc::clone(&home.disks), image.clone());
    // The image goes along, so that its layers stay even if the pull is cancelled meanwhile.
    let cancel = Cancel::default();
    let _dropped = cancel.on_drop();
    blocking("make a root disk", move || Ok(disks.base(&image.digest, &layers, &cancel).map(drop)?)).await
}
