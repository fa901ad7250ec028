//! A bound on the output that ended executions keep: beyond it, the oldest output is discarded.
//!
//! `entries` has two: one for output that nobody has fetched, and one for output that was delivered and may have been lost on
//! its way.

use std::{collections::VecDeque, sync::Arc};

use super::state::Execution;

/// Executions whose output is kept, the oldest first, each with the bytes that it takes.
pub(super) struct Budget {
    outputs: VecDeque<(Arc<Execution>, usize)>,
    bytes: usize,
    most: usize,
}

impl Budget {
    /// A budget of `most` bytes.
    pub(super) fn new(most: usize) -> Self {
        Self { outputs: VecDeque::new(), bytes: 0, most }
    }

    /// Adds the output of `execution` as the newest. An execution that has a reader now keeps its output even when it falls out:
    /// it is added again when the reader leaves.
    pub(super) fn add(&mut self, execution: &Arc<Execution>) {
        self.remove(execution);
        let bytes = execution.output_size();
        self.outputs.push_back((Arc::clone(execution), bytes));
        self.bytes += bytes;
        while self.bytes > self.most {
            let Some((oldest, bytes)) = self.outputs.pop_front() else { return };
            self.bytes -= bytes;
            if !oldest.is_attached() {
                oldest.discard_output();
            }
        }
    }

    /// Ceases to count `execution`, whose output is left as it is.
    pub(super) fn remove(&mut self, execution: &Arc<Execution>) {
        if let Some(index) = self.outputs.iter().position(|(other, _)| Arc::ptr_eq(other, execution))
            && let Some((_, bytes)) = self.outputs.remove(index)
        {
            self.bytes -= bytes;
        }
    }
}
