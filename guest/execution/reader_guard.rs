//! One reader of an execution. While there is one, the output is kept for it: `background` does not read it, the table does not
//! discard it, and no other reader receives more of it than can be kept until this one comes for it.
//!
//! Created by `start` before the start of an execution that has a reader from the beginning, else by `attachment`.

use std::sync::Arc;

use super::{readers::Blocked, state::Execution};

/// Counts as a reader of the execution until it is dropped.
pub(super) struct ReaderGuard {
    pub(super) execution: Arc<Execution>,
    number: u64,
}

impl ReaderGuard {
    /// A reader that has read up to `next`, or `None` if that is not known yet.
    pub(super) fn new(execution: Arc<Execution>, next: Option<[u64; 2]>) -> Self {
        let number = execution.readers.enter(next);
        execution.reader_changed.notify_one();
        Self { execution, number }
    }

    /// Notes how far it has read.
    pub(super) fn moved(&self, next: [u64; 2]) {
        self.execution.readers.moved(self.number, next);
    }

    /// Which streams it may not read from because of slower readers, where the streams have been read up to `ends`.
    pub(super) fn blocked(&self, ends: [u64; 2]) -> Blocked {
        self.execution.readers.blocked(self.number, ends)
    }

    /// Ceases to wait for the slower readers.
    pub(super) fn pass_over(&self, ends: [u64; 2]) {
        self.execution.readers.pass_over(self.number, ends);
    }
}

impl Drop for ReaderGuard {
    fn drop(&mut self) {
        self.execution.note_leaving_reader();
        self.execution.readers.leave(self.number);
        self.execution.reader_changed.notify_one();
    }
}
