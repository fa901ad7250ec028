//! `Failure`: a `BoxliteError` as a plain object. Read by `lib/errors.ts`, which has a class for each code.

use boxlite_runtime::{BoxliteError, Stage};
use napi_derive::napi;

use crate::words::worded;

/// An error on its way to its TypeScript class.
#[napi(object, object_from_js = false)]
pub struct Failure {
    /// The code that programs match on.
    pub code: &'static str,
    /// What was tried, and what came of it.
    pub message: String,
    /// The stage of the start pipeline that failed.
    pub stage: Option<&'static str>,
    /// What to do about it.
    pub hint: Option<String>,
    /// The texts of the causes, outermost first.
    pub causes: Vec<String>,
    /// The file operation that was refused.
    pub file: Option<FileFault>,
}

/// A refused file operation, for Node's own kind of error.
#[napi(object, object_from_js = false)]
pub struct FileFault {
    /// Linux's number, positive.
    pub errno: i32,
    /// The system call.
    pub syscall: String,
    /// What it was about.
    pub path: Option<String>,
    /// The second path.
    pub dest: Option<String>,
    /// What the operation itself refused: Node's code for that.
    pub code: Option<&'static str>,
    /// Why it did.
    pub reason: Option<String>,
}

impl From<&boxlite_runtime::FileFault> for FileFault {
    fn from(fault: &boxlite_runtime::FileFault) -> Self {
        let boxlite_runtime::FileFault { errno, syscall, path, dest, refusal } = fault.clone();
        let (code, reason) = refusal.map(|refusal| (refusal.code, refusal.reason)).unzip();
        Self { errno, syscall, path, dest, code, reason }
    }
}

impl From<BoxliteError> for Failure {
    fn from(error: BoxliteError) -> Self {
        Self {
            code: error.code().as_str(),
            message: worded(error.message()),
            stage: error.stage().map(Stage::as_str),
            hint: error.hint_text().map(worded),
            causes: error.causes().iter().map(worded).collect(),
            file: error.file().map(FileFault::from),
        }
    }
}

/// The version of this addon, which must be that of the JavaScript that loads it.
#[napi]
pub fn version() -> &'static str {
    env!("CARGO_PKG_VERSION")
}
