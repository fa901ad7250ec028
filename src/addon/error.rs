//! `Failure`: a `BoxliteError` as a plain object, and the list of error codes. Read by `lib/errors.ts`.

use boxlite_runtime::{BoxliteError, ErrorCode, Stage};
use napi_derive::napi;

/// An error on its way to the TypeScript class that it names.
#[napi(object, object_from_js = false)]
pub struct Failure {
    /// The code that programs match on.
    pub code: &'static str,
    /// The TypeScript class.
    pub class_name: &'static str,
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
            class_name: error.code().class(),
            message: error.to_string(),
            stage: error.stage().map(Stage::as_str),
            hint: error.hint_text().map(Into::into),
            causes: error.causes(),
            file: error.file().map(FileFault::from),
        }
    }
}

/// One row of the list of codes.
#[napi(object, object_from_js = false)]
pub struct CodeRow {
    /// The code.
    pub code: &'static str,
    /// The TypeScript class that carries it.
    pub class_name: &'static str,
}

/// Every error code that the runtime knows; a test compares it with `lib/errors.ts`.
#[napi]
pub fn error_codes() -> Vec<CodeRow> {
    ErrorCode::ALL.iter().map(|code| CodeRow { code: code.as_str(), class_name: code.class() }).collect()
}

/// The version of this addon, which must be that of the JavaScript that loads it.
#[napi]
pub fn version() -> &'static str {
    env!("CARGO_PKG_VERSION")
}
