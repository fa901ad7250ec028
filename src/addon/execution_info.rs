//! `ExecutionInfo` for JavaScript. Made by `litebox.rs`, completed by `lib/box.ts`.

use napi_derive::napi;

/// An execution that runs.
#[napi(object, object_from_js = false)]
pub struct ExecutionInfo {
    /// The id that finds it again.
    pub id: String,
    /// Its pid inside the box.
    pub pid: u32,
    /// The command.
    pub command: String,
    /// Its arguments.
    pub args: Vec<String>,
    /// Whether it has a terminal.
    pub tty: bool,
    /// Whether it outlives its handle.
    pub detached: bool,
    /// Milliseconds since its start.
    pub age_ms: f64,
}

impl From<boxlite_runtime::ExecutionInfo> for ExecutionInfo {
    #[allow(clippy::cast_precision_loss, reason = "2^53 ms are 285 000 years")]
    fn from(info: boxlite_runtime::ExecutionInfo) -> Self {
        let boxlite_runtime::ExecutionInfo { id, pid, command, args, tty, detached, age_ms } = info;
        Self { id, pid, command, args, tty, detached, age_ms: age_ms as f64 }
    }
}
