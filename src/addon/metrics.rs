//! The runtime's counters as JavaScript numbers.

use boxlite_runtime::RuntimeMetricsSnapshot;
use napi_derive::napi;

/// Counters since the runtime was opened. JavaScript numbers are exact up to 2^53.
#[napi(object, object_from_js = false)]
pub struct RuntimeMetrics {
    /// Boxes made.
    pub boxes_created: i64,
    /// Boxes removed.
    pub boxes_destroyed: i64,
    /// Boxes that failed to start or ended on their own.
    pub boxes_failed: i64,
    /// Boxes that run now.
    pub boxes_running: i64,
    /// Executions requested.
    pub total_exec_calls: i64,
    /// Executions that could not be started or were lost.
    pub total_exec_errors: i64,
    /// Bytes of standard input, output and error.
    pub total_bytes_transferred: i64,
}

impl From<RuntimeMetricsSnapshot> for RuntimeMetrics {
    fn from(metrics: RuntimeMetricsSnapshot) -> Self {
        let number = |value: u64| i64::try_from(value).unwrap_or(i64::MAX);
        Self {
            boxes_created: number(metrics.boxes_created),
            boxes_destroyed: number(metrics.boxes_destroyed),
            boxes_failed: number(metrics.boxes_failed),
            boxes_running: number(metrics.boxes_running),
            total_exec_calls: number(metrics.total_exec_calls),
            total_exec_errors: number(metrics.total_exec_errors),
            total_bytes_transferred: number(metrics.total_bytes_transferred),
        }
    }
}
