//! `FileFault`: a file operation that a kernel refused, the host's or the box's. `BoxliteError` carries it.

use nix::errno::Errno;

use crate::{code::ErrorCode, error::BoxliteError};

/// Which call failed, with which errno, on what.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FileFault {
    /// Linux's number.
    pub errno: i32,
    /// The system call: "open".
    pub syscall: String,
    /// The path that the call was about.
    pub path: Option<String>,
    /// The second path of a call that has two.
    pub dest: Option<String>,
    /// The reason, where no kernel refused it but the operation itself.
    pub refusal: Option<FileRefusal>,
}

/// A refusal that is not the kernel's; the fault's `errno` is the closest one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FileRefusal {
    /// A stable name, such as `ERR_FS_CP_EINVAL`.
    pub code: &'static str,
    /// A sentence that says why.
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
