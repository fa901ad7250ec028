//! `RuntimeMetrics`: lock-free counters of a runtime, read by `BoxliteRuntime::metrics`.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use serde::{Deserialize, Serialize};

/// The counters. Each is a plain sum; they are not taken at one instant.
#[derive(Debug, Default)]
pub(crate) struct RuntimeMetrics {
    boxes_created: AtomicU64,
    boxes_destroyed: AtomicU64,
    boxes_failed: AtomicU64,
    boxes_running: AtomicU64,
    exec_calls: AtomicU64,
    exec_errors: AtomicU64,
    bytes: AtomicU64,
}

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
}

impl RuntimeMetrics {
    pub(crate) fn count_created(&self) {
        self.boxes_created.fetch_add(1, Relaxed);
    }

    pub(crate) fn count_destroyed(&self) {
        self.boxes_destroyed.fetch_add(1, Relaxed);
    }

    pub(crate) fn count_failed(&self) {
        self.boxes_failed.fetch_add(1, Relaxed);
    }

    pub(crate) fn count_started(&self) {
        self.boxes_running.fetch_add(1, Relaxed);
    }

    pub(crate) fn count_ended(&self) {
        self.boxes_running.fetch_sub(1, Relaxed);
    }

    pub(crate) fn count_exec(&self, started: bool) {
        self.exec_calls.fetch_add(1, Relaxed);
        self.exec_errors.fetch_add(u64::from(!started), Relaxed);
    }

    pub(crate) fn count_bytes(&self, bytes: usize) {
        self.bytes.fetch_add(bytes as u64, Relaxed);
    }

    pub(crate) fn snapshot(&self) -> RuntimeMetricsSnapshot {
        RuntimeMetricsSnapshot {
            boxes_created: self.boxes_created.load(Relaxed),
            boxes_destroyed: self.boxes_destroyed.load(Relaxed),
            boxes_failed: self.boxes_failed.load(Relaxed),
            boxes_running: self.boxes_running.load(Relaxed),
            total_exec_calls: self.exec_calls.load(Relaxed),
            total_exec_errors: self.exec_errors.load(Relaxed),
            total_bytes_transferred: self.bytes.load(Relaxed),
        }
    }
}
