//! What ended executions have said and nobody may ask for again: kept within a bound of bytes, the oldest given up first.
//!
//! `table` has two: of output that nobody has fetched, and of output that was handed out and may have been lost on its way.

use std::{collections::VecDeque, sync::Arc};

use super::process::Execution;

/// See the module. The oldest come first, each with its bytes.
#[derive(Debug)]
pub(super) struct Kept {
    outputs: VecDeque<(Arc<Execution>, usize)>,
    bytes: usize,
    most: usize,
}

impl Kept {
    pub(super) fn new(most: usize) -> Self {
        Self { outputs: VecDeque::new(), bytes: 0, most }
    }

    /// Keeps what `execution` holds, as the newest. Whoever is read at the moment is left alone: its reader brings it back.
    pub(super) fn keep(&mut self, execution: &Arc<Execution>) {
        self.release(execution);
        let bytes = execution.kept();
        self.outputs.push_back((Arc::clone(execution), bytes));
        self.bytes += bytes;
        while self.bytes > self.most {
            let Some((oldest, bytes)) = self.outputs.pop_front() else { return };
            self.bytes -= bytes;
            if !oldest.is_attached() {
                oldest.forget_output();
            }
        }
    }

    /// Keeps it no longer, and lets it have what it holds.
    pub(super) fn release(&mut self, execution: &Arc<Execution>) {
        if let Some(index) = self.outputs.iter().position(|(other, _)| Arc::ptr_eq(other, execution))
            && let Some((_, bytes)) = self.outputs.remove(index)
        {
            self.bytes -= bytes;
        }
    }
}
