//! What can be read of a box: info, metrics, logs, console and events.

pub(crate) mod console;
pub(crate) mod host_usage;
pub(crate) mod info;
pub(crate) mod logs;
pub(crate) mod metrics;
pub(crate) mod observe;
