//! One pull: from an image's name to a root disk that boots, with its progress. Made by [`BoxliteRuntime::pull`].

use std::sync::Arc;

use boxlite_disk::{Cancel, LayerFile};
use boxlite_error::{BoxliteError, BoxliteResult, ErrorCode};
use boxlite_images::{Image, Platform, PullEvent, PullOptions, PullPolicy};
use futures::{
    FutureExt,
    future::{BoxFuture, Shared as SharedFuture},
};
use tokio::task::AbortHandle;

use crate::{
    blocking::blocking,
    home::open_home::OpenHome,
    images::{cache::keep_quota, pull_reporter::PullNews, queue::Queue},
    runtime::BoxliteRuntime,
};

/// What to pull, and how.
#[derive(Debug, Clone, Default)]
pub struct PullRequest {
    /// A registry reference, or what is on this machine.
    pub source: String,
    /// When to ask the source.
    pub policy: PullPolicy,
    /// `None` is this machine's.
    pub platform: Option<Platform>,
}

/// An image in the cache.
#[derive(Debug, Clone, PartialEq, Eq)]
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

/// A step of a pull.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Progress {
    /// On the way into the cache.
    Image(PullEvent),
    /// The root disk is being made.
    Assembling {
        /// The manifest's digest.
        digest: String,
    },
    /// All is done.
    Done {
        /// The manifest's digest.
        digest: String,
    },
}

/// A pull under way. Dropping it does not end it.
#[derive(Debug, Clone)]
pub struct Pull {
    queue: Arc<Queue>,
    abort: AbortHandle,
    result: SharedFuture<BoxFuture<'static, BoxliteResult<PulledImage>>>,
}

impl BoxliteRuntime {
    /// Starts to fetch an image into the cache, and to make its root disk if it is for this machine. Call it on a tokio
    /// thread.
    pub fn pull(&self, request: PullRequest) -> BoxliteResult<Pull> {
        self.check_open()?;
        let queue = Arc::new(Queue::default());
        let closing = Closing(Arc::clone(&queue));
        let (home, events) = (Arc::clone(&self.home), Arc::clone(&queue));
        let source = request.source.clone();
        let task = tokio::spawn(async move {
            let _closing = closing;
            let news = PullNews::new(&home.events, None, &request.source);
            let pulled = pull(&home, request, &events, &news).await;
            news.end(pulled.as_ref().map(|image| image.digest.as_str()));
            pulled
        });
        let abort = task.abort_handle();
        let result = async move {
            task.await.unwrap_or_else(|error| {
                let code = if error.is_cancelled() { ErrorCode::ImageCancelled } else { ErrorCode::Internal };
                Err(BoxliteError::new(code, format!("pull image {source}: cancelled")).caused_by(error))
            })
        };
        Ok(Pull { queue, abort, result: result.boxed().shared() })
    }
}

impl Pull {
    /// The steps since the last call, at least one; `None` when the pull has ended. A reader who is away misses
    /// intermediate counts of bytes and nothing else.
    pub async fn next(&self) -> Option<Vec<Progress>> {
        self.queue.next().await
    }

    /// The image, or why there is none.
    pub async fn wait(&self) -> BoxliteResult<PulledImage> {
        self.result.clone().await
    }

    /// Gives up. What has arrived stays, and the next pull goes on from there.
    pub fn cancel(&self) {
        self.abort.abort();
    }
}

/// Ends the events however the pull ends.
struct Closing(Arc<Queue>);

impl Drop for Closing {
    fn drop(&mut self) {
        self.0.close();
    }
}

async fn pull(
    home: &Arc<OpenHome>,
    request: PullRequest,
    queue: &Arc<Queue>,
    news: &Arc<PullNews>,
) -> BoxliteResult<PulledImage> {
    let host = Platform::host();
    let mut mended = false;
    let image = loop {
        let events = Arc::clone(queue);
        let mut options = PullOptions::with_policy(request.policy);
        options.platform.clone_from(&request.platform);
        options.progress = Some(news.sink(move |event| {
            // The runtime's own comes when the root disk is there too.
            if !matches!(event, PullEvent::Done { .. }) {
                events.push(Progress::Image(event));
            }
        }));
        let image = Box::pin(home.images.pull(&request.source, options)).await?;
        if image.platform.os != host.os || image.platform.architecture != host.architecture {
            break image;
        }
        queue.push(Progress::Assembling { digest: image.digest.clone() });
        match assemble(home, &image).await {
            Ok(()) => break image,
            // Damaged on disk since it was verified: what was damaged is dropped, and fetched again once.
            Err(error)
                if !mended
                    && matches!(error.code(), ErrorCode::ImageCorrupt | ErrorCode::ImageDigestMismatch)
                    && home.images.verify(&image).await.is_err() =>
            {
                mended = true;
            }
            Err(error) => return Err(error),
        }
    };
    queue.push(Progress::Done { digest: image.digest.clone() });
    let pulled = PulledImage::from(&image);
    drop(image);
    keep_quota(home);
    Ok(pulled)
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
    blocking("make a root disk", move || Ok(disks.base_unless(&image.digest, &layers, &cancel).map(drop)?))
        .await
}
