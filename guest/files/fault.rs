//! Converts the kernel's errors to `FileError`, which the host shows as Node's errors. Used by every file of this room.

use std::{io, path::Path};

use boxlite_archive::Error as ArchiveError;
use boxlite_proto::v1::{FileAnswer, FileError, FileRefusal};
use nix::{errno::Errno, libc};

use super::path::bytes_of;

pub(super) type Outcome<T> = Result<T, FileError>;

/// A failure of `syscall` on `path`.
pub(super) fn fault(errno: i32, syscall: &str, path: &Path) -> FileError {
    FileError { errno, syscall: syscall.to_owned(), path: bytes_of(path), ..FileError::default() }
}

/// The answer that has `error`.
pub(crate) fn failed(error: FileError) -> FileAnswer {
    FileAnswer { error: Some(error), ..FileAnswer::default() }
}

/// Names the call and the path of a failure.
pub(super) trait Call<T> {
    fn call(self, syscall: &str, path: &Path) -> Outcome<T>;
}

impl<T> Call<T> for io::Result<T> {
    fn call(self, syscall: &str, path: &Path) -> Outcome<T> {
        // The standard library itself refuses a NUL in a path, as the kernel would.
        self.map_err(|error| fault(error.raw_os_error().unwrap_or(libc::EINVAL), syscall, path))
    }
}

impl<T> Call<T> for nix::Result<T> {
    fn call(self, syscall: &str, path: &Path) -> Outcome<T> {
        self.map_err(|errno| fault(errno as i32, syscall, path))
    }
}

/// Names the system call of a failure that has none, which is that of a handle that is not open.
pub(super) fn named(error: FileError, syscall: &str) -> FileError {
    if error.syscall.is_empty() { FileError { syscall: syscall.to_owned(), ..error } } else { error }
}

/// Adds the second path of a call that has two.
pub(super) trait Towards<T> {
    fn towards(self, to: &Path) -> Outcome<T>;
}

impl<T> Towards<T> for Outcome<T> {
    fn towards(self, to: &Path) -> Outcome<T> {
        self.map_err(|error| FileError { to: bytes_of(to), ..error })
    }
}

/// Why an archive could not be packed or unpacked.
pub(super) fn archive_fault(error: &ArchiveError) -> FileError {
    match error {
        ArchiveError::System { errno, syscall, path } => fault(*errno as i32, syscall, path),
        ArchiveError::Exceeded { what, most } => FileError {
            message: format!("there are more than {most} {what}"),
            refusal: FileRefusal::CopyTooLarge.into(),
            ..FileError::default()
        },
        other => FileError { message: other.to_string(), ..FileError::default() },
    }
}

/// The failure of every operation on a thread that could not enter the container.
pub(super) fn not_inside(errno: Errno) -> FileError {
    fault(errno as i32, "setns", Path::new("/"))
}
