//! The refusals of `cp` that are Node's and not the kernel's.
//!
//! Returned by every file of this room.

use std::path::Path;

use boxlite_proto::v1::{FileError, FileRefusal};
use nix::{libc, sys::stat::FileStat};

use crate::files::fault::{Outcome, fault};

/// Refuses to copy a file over itself, a folder over something else, or something else over a folder.
pub(super) fn check_kinds(
    source_status: &FileStat,
    target_status: Option<&FileStat>,
    from: &Path,
    to: &Path,
) -> Outcome<()> {
    let Some(target_status) = target_status else { return Ok(()) };
    let (source, target) = (from.display(), to.display());
    if (target_status.st_dev, target_status.st_ino) == (source_status.st_dev, source_status.st_ino) {
        let message = String::from("src and dest cannot be the same");
        return Err(refusal(FileRefusal::ErrFsCpEinval, libc::EINVAL, message, to));
    }
    match (is_folder(source_status), is_folder(target_status)) {
        (true, false) => {
            let message = format!("cannot overwrite non-directory {target} with directory {source}");
            Err(refusal(FileRefusal::ErrFsCpDirToNonDir, libc::EISDIR, message, to))
        }
        (false, true) => {
            let message = format!("cannot overwrite directory {target} with non-directory {source}");
            Err(refusal(FileRefusal::ErrFsCpNonDirToDir, libc::ENOTDIR, message, to))
        }
        _ => Ok(()),
    }
}

pub(super) fn is_folder(meta: &FileStat) -> bool {
    meta.st_mode & libc::S_IFMT == libc::S_IFDIR
}

/// The target exists, and is not to be overwritten.
pub(super) fn exists(path: &Path) -> FileError {
    refusal(FileRefusal::ErrFsCpEexist, libc::EEXIST, format!("{} already exists", path.display()), path)
}

/// A refusal with Node's code and message.
pub(super) fn refusal(code: FileRefusal, errno: i32, message: String, path: &Path) -> FileError {
    FileError { refusal: code.into(), message, ..fault(errno, "cp", path) }
}
