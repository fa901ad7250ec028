//! What a pull tells while it runs. Sent by `fetch`, received by whoever gave a [`ProgressSink`].

use std::{fmt, sync::Arc};

/// A step of a pull.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum PullEvent {
    /// The reference is being looked up.
    Resolving {
        /// The normalised reference.
        reference: String,
    },
    /// The image's manifest is known.
    Resolved {
        /// The manifest's digest.
        digest: String,
        /// How many layers the image has.
        layers: usize,
        /// The size of all layers as stored, in bytes.
        bytes: u64,
    },
    /// A layer is about to be fetched.
    LayerStarted {
        /// The layer's digest.
        digest: String,
        /// Its size in bytes.
        size: u64,
    },
    /// More of a layer has arrived.
    LayerProgress {
        /// The layer's digest.
        digest: String,
        /// Bytes that are here, those of an earlier attempt included.
        bytes: u64,
    },
    /// A layer is in the store and verified.
    LayerDone {
        /// The layer's digest.
        digest: String,
        /// Whether it was there already.
        cached: bool,
    },
    /// All of the image is in the store.
    Done {
        /// The manifest's digest.
        digest: String,
    },
}

/// A callback for [`PullEvent`]s; called on the pull's own task, so it must be quick.
#[derive(Clone)]
pub struct ProgressSink(Arc<dyn Fn(PullEvent) + Send + Sync>);

impl ProgressSink {
    /// Wraps a callback.
    pub fn new(callback: impl Fn(PullEvent) + Send + Sync + 'static) -> Self {
        Self(Arc::new(callback))
    }

    pub(crate) fn send(&self, event: PullEvent) {
        (self.0)(event);
    }
}

impl fmt::Debug for ProgressSink {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ProgressSink")
    }
}
