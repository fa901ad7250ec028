//! Converts the kernel's errors to `FileError`, which the host shows as Node's errors. Used by every file of this room.

use std::{io, path::Path};

use boxlite_archive::Error as ArchiveError;
use boxlite_proto::v1::{FileAnswer, FileError, FileRefusal};
use nix::libc;

use super::path::bytes_of;
use crate::Error;

pub(super) type Outcome<T> = Result<T, FileError>;

/// Why an operation did not succeed.
pub(crate) enum Fault {
    /// The system call failed, which is an answer.
    Call(FileError),
    /// There is no container, or the user is unknown.
    Agent(Error),
}

impl From<FileError> for Fault {
    fn from(error: FileError) -> Self {
        Self::Call(error)
    }
}

impl From<Error> for Fault {
    fn from(error: Error) -> Self {
        Self::Agent(error)
    }
}

impl Fault {
    /// The answer that has the error, if it is one for an answer.
    pub(crate) fn answered(self) -> Result<FileAnswer, Error> {
        match self {
            Self::Call(error) => Ok(FileAnswer { error: Some(error), ..FileAnswer::default() }),
            Self::Agent(error) => Err(error),
        }
    }
}

/// A failure of `syscall` on `path`.
pub(super) fn fault(errno: i32, syscall: &str, path: &Path) -> FileError {
    FileError { errno, syscall: syscall.to_owned(), path: bytes_of(path), ..FileError::default() }
}

/// Names the call and the path of a failure.
pub(super) trait Call<T> {
    fn call(self, syscall: &str, path: &Path) -> Outcome<T>;
}

impl<T, E: Into<io::Error>> Call<T> for Result<T, E> {
    fn call(self, syscall: &str, path: &Path) -> Outcome<T> {
        // The standard library itself refuses a NUL in a path, as the kernel would.
        self.map_err(|error| fault(error.into().raw_os_error().unwrap_or(libc::EINVAL), syscall, path))
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
