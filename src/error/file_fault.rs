//! `FileFault`: a file operation that a kernel refused, the host's or the box's. `BoxliteError` carries it.

use std::fmt;

use nix::errno::Errno;

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
    /// The reason, if the operation itself refused it and no kernel did.
    pub refusal: Option<FileRefusal>,
}

/// A refusal that is not the kernel's. `FileFault::errno` is the closest number.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FileRefusal {
    /// A stable name, such as `ERR_FS_CP_EINVAL`.
    pub code: &'static str,
    /// A sentence that says why.
    pub reason: String,
}

impl fmt::Display for FileFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.syscall)?;
        self.path.as_ref().map_or(Ok(()), |path| write!(f, " `{path}`"))?;
        self.dest.as_ref().map_or(Ok(()), |dest| write!(f, " -> `{dest}`"))?;
        match &self.refusal {
            Some(refusal) => write!(f, ": {}", refusal.reason),
            None => write!(f, ": {}", Errno::from_raw(self.errno).desc()),
        }
    }
}
