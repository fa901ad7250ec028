//! A reader's place at an execution. While one is taken, the output is kept for the reader: the keeper does not read it,
//! the table does not give it up.
//!
//! Taken by `table` before the start of an execution whose reader is there from the beginning, else by `attachment`.

use std::sync::Arc;

use tokio::sync::watch;

use super::{process::Execution, table::Executions};

/// See the module. Dropping it makes the execution one that nobody reads, if there is no other.
#[derive(Debug)]
pub(super) struct Seat {
    pub(super) table: Executions,
    pub(super) execution: Arc<Execution>,
    /// The number of the latest reader.
    pub(super) latest: watch::Receiver<u64>,
    /// The last field: when it goes, `latest` is gone.
    _presence: Presence,
}

/// Tells the keeper when this reader goes.
#[derive(Debug)]
struct Presence(Arc<Execution>);

impl Drop for Presence {
    fn drop(&mut self) {
        self.0.readers.notify_one();
    }
}

impl Seat {
    pub(super) fn take(table: Executions, execution: Arc<Execution>) -> Self {
        let latest = execution.attachments.subscribe();
        execution.readers.notify_one();
        Self { _presence: Presence(Arc::clone(&execution)), table, execution, latest }
    }

    /// Ends every earlier reader. Answers the number that `latest` has as long as no other comes.
    pub(super) fn begin(&self) -> u64 {
        let mut number = 0;
        self.execution.attachments.send_modify(|latest| {
            *latest += 1;
            number = *latest;
        });
        number
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        self.table.left(&self.execution);
    }
}
