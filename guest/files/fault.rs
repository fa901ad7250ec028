//! From the kernel's errors to `FileError`, which the host shows as Node's own. Used by every file of this room.

use std::{io, os::unix::ffi::OsStrExt as _, path::Path};

use boxlite_archive::Error as ArchiveError;
use boxlite_proto::v1::{FileError, FileRefusal};
use bytes::Bytes;
use nix::{errno::Errno, libc};

pub(super) type Outcome<T> = Result<T, FileError>;

/// A failure of `syscall` on `path`.
pub(super) fn fault(errno: i32, syscall: &str, path: &Path) -> FileError {
    FileError { errno, syscall: syscall.to_owned(), path: bytes_of(path), ..FileError::default() }
}

pub(super) fn bytes_of(path: &Path) -> Bytes {
    Bytes::copy_from_slice(path.as_os_str().as_bytes())
}

/// Names the call and the path of a failure.
pub(super) trait Call<T> {
    fn call(self, syscall: &str, path: &Path) -> Outcome<T>;
}

impl<T> Call<T> for io::Result<T> {
    fn call(self, syscall: &str, path: &Path) -> Outcome<T> {
        // The standard library refuses by itself what the kernel would: a NUL in a path.
        self.map_err(|error| fault(error.raw_os_error().unwrap_or(libc::EINVAL), syscall, path))
    }
}

impl<T> Call<T> for nix::Result<T> {
    fn call(self, syscall: &str, path: &Path) -> Outcome<T> {
        self.map_err(|errno| fault(errno as i32, syscall, path))
    }
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

/// A thread that is not in the container can do nothing for it.
pub(super) fn not_inside(errno: Errno) -> FileError {
    fault(errno as i32, "setns", Path::new("/"))
}
