//! `RuntimeMetrics`: the counters of a runtime. Counted by boxes and executions, read by `BoxliteRuntime::metrics`.

use std::sync::{Mutex, PoisonError};

use boxlite_spec::network::control::NetworkMetrics;
use serde::{Deserialize, Serialize};

/// A snapshot of the counters.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct RuntimeMetricsSnapshot {
    /// Boxes created since the runtime opened.
    pub boxes_created: u64,
    /// Boxes removed since.
    pub boxes_destroyed: u64,
    /// Starts that failed, and machines that ended on their own.
    pub boxes_failed: u64,
    /// Boxes running now.
    pub boxes_running: u64,
    /// Executions requested.
    pub total_exec_calls: u64,
    /// Executions that could not be started.
    pub total_exec_errors: u64,
    /// Bytes of stdin, stdout and stderr.
    pub total_bytes_transferred: u64,
    /// What went through the networks of all boxes, as last read from each that runs, and to the end of each that has ended. `connections` are those that are open.
    pub network: NetworkMetrics,
}

/// The counters, which change for a moment at a time.
#[derive(Debug, Default)]
pub(crate) struct RuntimeMetrics(Mutex<RuntimeMetricsSnapshot>);

impl RuntimeMetrics {
    /// Counts something: `count(|counters| counters.boxes_created += 1)`.
    pub(crate) fn count(&self, change: impl FnOnce(&mut RuntimeMetricsSnapshot)) {
        change(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner));
    }

    /// All counters as they are at one instant.
    pub(crate) fn snapshot(&self) -> RuntimeMetricsSnapshot {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
