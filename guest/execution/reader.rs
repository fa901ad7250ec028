//! One reader of an execution. While there is one, the output is kept for it: `keeper` does not read it, `table` does not
//! give it up, and no other reader is given more of it than can be kept until this one comes for it.
//!
//! Made by `table` before the start of an execution whose reader is there from the beginning, else by `attachment`.

use std::sync::Arc;

use super::{process::Execution, readers::Held, table::Executions};

/// See the module. Dropping it makes the execution one that nobody reads, if there is no other.
#[derive(Debug)]
pub(super) struct Reader {
    pub(super) table: Executions,
    pub(super) execution: Arc<Execution>,
    number: u64,
}

impl Reader {
    /// One that has read up to `next`; `None`: that is not known yet.
    pub(super) fn new(table: Executions, execution: Arc<Execution>, next: Option<[u64; 2]>) -> Self {
        let number = execution.readers.enter(next);
        execution.reader_changed.notify_one();
        Self { table, execution, number }
    }

    /// Notes how far it has come.
    pub(super) fn moved(&self, next: [u64; 2]) {
        self.execution.readers.moved(self.number, next);
    }

    /// Who of the others holds it back, where the streams have been read up to `ends`.
    pub(super) fn held_by(&self, ends: [u64; 2]) -> Held {
        self.execution.readers.held(self.number, ends)
    }

    /// Waits for those no longer.
    pub(super) fn pass_over(&self, ends: [u64; 2]) {
        self.execution.readers.pass_over(self.number, ends);
    }
}

impl Drop for Reader {
    fn drop(&mut self) {
        self.table.left(&self.execution);
        self.execution.readers.leave(self.number);
        self.execution.reader_changed.notify_one();
    }
}
