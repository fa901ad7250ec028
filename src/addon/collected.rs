//! What `box.exec` resolves with. Made by `litebox.rs` and `command.rs`, read by `lib/exec.ts`.

use boxlite_runtime::ExecFailure;
use napi::bindgen_prelude::Buffer;
use napi_derive::napi;

use crate::{error::Failure, execution::ExitStatus};

/// All that a process wrote, and how it ended.
#[napi(object, object_from_js = false)]
#[derive(Default)]
pub struct Collected {
    /// Its standard output, if there was any.
    pub stdout: Option<Buffer>,
    /// Its standard error, if there was any.
    pub stderr: Option<Buffer>,
    /// The exit status, if the process ended.
    pub exit: Option<ExitStatus>,
    /// Why the call fails, if it does.
    pub error: Option<Failure>,
}

impl From<Result<boxlite_runtime::Collected, ExecFailure>> for Collected {
    fn from(result: Result<boxlite_runtime::Collected, ExecFailure>) -> Self {
        let (collected, error) = match result {
            Ok(collected) => (collected, None),
            Err(ExecFailure { error, collected }) => (collected, Some(error.into())),
        };
        let boxlite_runtime::Collected { stdout, stderr, exit } = collected;
        // Most commands write only to one stream, and each JavaScript value costs time.
        let buffer = |bytes: Vec<u8>| (!bytes.is_empty()).then(|| bytes.into());
        Self { stdout: buffer(stdout), stderr: buffer(stderr), exit: exit.map(Into::into), error }
    }
}
