//! `Output`: an execution's output with the bounds of a timeout that the guest ought to enforce itself. Kept by `execution`.

use boxlite_error::{BoxliteError, BoxliteResult};
use boxlite_portal::{ExecEvent, OutputStream};

use crate::litebox::executions::deadline_guard::DeadlineGuard;

/// The stream, and how far it got.
#[derive(Debug)]
pub(super) struct Output {
    stream: OutputStream,
    /// Found after events that were given first, and returned by the next call.
    failure: Option<BoxliteError>,
    deadline: DeadlineGuard,
}

impl Output {
    pub(super) fn new(stream: OutputStream, timeout_ms: u64) -> Self {
        Self { stream, failure: None, deadline: DeadlineGuard::new(timeout_ms) }
    }

    /// The next event, or `None` after the exit. Dropping the future loses nothing.
    pub(super) async fn next(&mut self, is_alive: impl Fn() -> bool) -> BoxliteResult<Option<ExecEvent>> {
        if let Some(failure) = self.failure.take() {
            return Err(failure);
        }
        let next = tokio::select! {
            biased;
            next = self.stream.next(is_alive) => next?,
            () = self.deadline.passed() => return Err(self.stream.broken("it runs on past its timeout")),
        };
        match next {
            Some(event) if !self.deadline.admit(event.size()) => {
                Err(self.stream.broken("it writes on past its timeout"))
            }
            next => Ok(next),
        }
    }

    /// Has the next call return `failure`.
    pub(super) fn put_back(&mut self, failure: BoxliteError) {
        self.failure = Some(failure);
    }

    /// Stops reading until the next call.
    pub(super) fn detach(&mut self) {
        self.failure = None;
        self.stream.detach();
    }
}
