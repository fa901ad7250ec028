//! The steps of a pull: sent by `fetch`, received by whoever gave a [`ProgressSink`], and kept in a [`History`] for readers who are
//! late or slow.

use std::{fmt, sync::Arc};

use serde::{Deserialize, Serialize};

/// A step of a pull.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
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

/// What a [`History`] keeps.
pub trait Step {
    /// Whether this step makes `earlier` worthless.
    fn replaces(&self, earlier: &Self) -> bool;
}

impl Step for PullEvent {
    fn replaces(&self, earlier: &Self) -> bool {
        match (self, earlier) {
            (Self::LayerProgress { digest, .. }, Self::LayerProgress { digest: of, .. }) => digest == of,
            _ => false,
        }
    }
}

/// The steps of a pull so far. A later count of a layer's bytes replaces an earlier one, so there are never more than a few steps
/// for each layer.
#[derive(Debug)]
pub struct History<S> {
    /// Each step with its position.
    steps: Vec<(u64, S)>,
    last: u64,
}

impl<S> Default for History<S> {
    fn default() -> Self {
        Self { steps: Vec::new(), last: 0 }
    }
}

impl<S: Step> History<S> {
    /// Adds a step.
    pub fn push(&mut self, step: S) {
        self.steps.retain(|(_, earlier)| !step.replaces(earlier));
        self.last += 1;
        self.steps.push((self.last, step));
    }

    /// The position of the last step; 0 before the first.
    pub fn position(&self) -> u64 {
        self.last
    }

    /// The steps behind `position`, in their order; behind 0 are all.
    pub fn after(&self, position: u64) -> impl Iterator<Item = &S> {
        let from = self.steps.partition_point(|(at, _)| *at <= position);
        self.steps[from..].iter().map(|(_, step)| step)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn progress(digest: &str, bytes: u64) -> PullEvent {
        PullEvent::LayerProgress { digest: digest.to_owned(), bytes }
    }

    #[test]
    fn of_each_layers_progress_only_the_newest_is_kept() {
        let mut history = History::default();
        for bytes in 0..1000 {
            history.push(progress("a", bytes));
            history.push(progress("b", bytes));
        }
        assert!(history.after(0).eq(&[progress("a", 999), progress("b", 999)]));
        let position = history.position();
        assert_eq!(history.after(position).count(), 0);
        history.push(progress("a", 1000));
        assert!(history.after(position).eq(&[progress("a", 1000)]));
    }
}
