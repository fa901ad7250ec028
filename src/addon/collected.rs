//! What `box.exec` resolves with. Made by `litebox.rs`, read by `lib/exec.ts`.

use napi::bindgen_prelude::Buffer;
use napi_derive::napi;

use crate::execution::ExitStatus;

/// All that a process wrote, and how it ended.
#[napi(object, object_from_js = false)]
pub struct Collected {
    /// Its standard output, if there was any.
    pub stdout: Option<Buffer>,
    /// Its standard error, if there was any.
    pub stderr: Option<Buffer>,
    /// The end; none where a stream was too long.
    pub exit: Option<ExitStatus>,
    /// The stream that was too long: `stdout` or `stderr`.
    pub exceeded: Option<&'static str>,
}

impl From<boxlite_runtime::Collected> for Collected {
    fn from(collected: boxlite_runtime::Collected) -> Self {
        let boxlite_runtime::Collected { stdout, stderr, exit, exceeded } = collected;
        // Most commands write nothing to one of them, and a JavaScript value costs more than a word of it.
        let buffer = |bytes: Vec<u8>| (!bytes.is_empty()).then(|| bytes.into());
        Self { stdout: buffer(stdout), stderr: buffer(stderr), exit: exit.map(Into::into), exceeded }
    }
}
