//! `FileFault`: a refused file operation as a kernel tells it, on either side. Carried by `BoxliteError`; TypeScript makes
//! Node's own kind of error of it.

use nix::errno::Errno;

use crate::{code::ErrorCode, error::BoxliteError};

/// Which call failed, with which errno, on what.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FileFault {
    /// Linux's number.
    pub errno: i32,
    /// The system call: "open".
    pub syscall: String,
    /// What it was about.
    pub path: Option<String>,
    /// The second path of a call that has two.
    pub dest: Option<String>,
    /// What no kernel refused but the operation itself: Node's code for that and why.
    pub refusal: Option<FileRefusal>,
}

/// A refusal that is not the kernel's: `errno` is what comes closest.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FileRefusal {
    /// Node's: `ERR_FS_CP_EINVAL`.
    pub code: &'static str,
    /// Why.
    pub reason: String,
}

impl BoxliteError {
    /// A refused file operation.
    pub fn of_file(fault: FileFault) -> Self {
        let reason = match &fault.refusal {
            Some(refusal) => refusal.reason.as_str(),
            None => Errno::from_raw(fault.errno).desc(),
        };
        let path = fault.path.as_deref().map(|path| format!(" `{path}`")).unwrap_or_default();
        let dest = fault.dest.as_deref().map(|dest| format!(" -> `{dest}`")).unwrap_or_default();
        let message = format!("{}{path}{dest}: {reason}", fault.syscall);
        Self::new(ErrorCode::FileRefused, message).with_file(fault)
    }
}
