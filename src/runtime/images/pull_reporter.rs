//! The reporter of a pull: it publishes events on the bus and writes lines into the log. An image that is in the cache is not
//! reported.

use std::{
    sync::{
        Arc, OnceLock,
        atomic::{AtomicBool, Ordering::AcqRel},
    },
    time::Instant,
};

use boxlite_error::{BoxliteError, ErrorCode};
use boxlite_images::{ProgressSink, PullEvent};

use crate::events::{EventKind, PullPhase, bus::EventBus};

/// One pull.
#[derive(Debug)]
pub(crate) struct PullReporter {
    bus: Arc<EventBus>,
    box_id: Option<String>,
    source: String,
    begun: OnceLock<Instant>,
    ended: AtomicBool,
}

impl PullReporter {
    pub(crate) fn new(bus: &Arc<EventBus>, box_id: Option<&str>, source: &str) -> Arc<Self> {
        Arc::new(Self {
            bus: Arc::clone(bus),
            box_id: box_id.map(str::to_owned),
            source: source.to_owned(),
            begun: OnceLock::new(),
            ended: AtomicBool::new(false),
        })
    }

    /// A sink that takes a pull's steps and passes them on.
    pub(crate) fn sink(self: &Arc<Self>, pass: impl Fn(PullEvent) + Send + Sync + 'static) -> ProgressSink {
        let this = Arc::clone(self);
        ProgressSink::new(move |event| {
            // This is the first query of the source.
            if matches!(event, PullEvent::Resolving { .. }) {
                this.begin();
            }
            pass(event);
        })
    }

    fn begin(&self) {
        if self.begun.set(Instant::now()).is_ok() {
            tracing::info!(image = self.source, box_id = self.box_id, "pulling");
            self.emit(|| PullPhase::Started);
        }
    }

    /// Reports the digest of the image that is in the cache now, or why there is none. A failure is reported in any case.
    pub(crate) fn end(&self, result: Result<&str, &BoxliteError>) {
        if self.ended.swap(true, AcqRel) {
            return;
        }
        let begun = self.begun.get();
        let ms = begun.map_or(0, |begun| u64::try_from(begun.elapsed().as_millis()).unwrap_or(u64::MAX));
        match result {
            Ok(_) if begun.is_none() => {}
            Ok(digest) => {
                tracing::info!(image = self.source, digest, ms, "pulled");
                self.emit(|| PullPhase::Done { digest: digest.to_owned() });
            }
            Err(error) => {
                let code = error.code();
                tracing::warn!(image = self.source, code = code.as_str(), %error, ms, "not pulled");
                self.emit(|| PullPhase::Failed { code, message: error.to_string() });
            }
        }
    }

    fn emit(&self, phase: impl FnOnce() -> PullPhase) {
        self.bus
            .emit(self.box_id.as_deref(), || EventKind::Pull { source: self.source.clone(), phase: phase() });
    }
}

/// A pull that is dropped halfway was cancelled.
impl Drop for PullReporter {
    fn drop(&mut self) {
        if self.begun.get().is_none() {
            return;
        }
        let cancelled =
            BoxliteError::new(ErrorCode::ImageCancelled, format!("pull image {}: cancelled", self.source));
        self.end(Err(&cancelled));
    }
}
