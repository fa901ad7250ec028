//! The crate's one error: the kernel refused, the stream is wrong or too large, or it broke. They are distinguished because users see
//! the first as a file error.

use std::{
    io,
    path::{Path, PathBuf},
};

use nix::errno::Errno;

use crate::tar::TarError;

/// Why a tree could not be sent or received.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A system call failed.
    #[error("{syscall} `{}`: {}", path.display(), errno.desc())]
    System {
        /// The kernel's reason.
        errno: Errno,
        /// The call: "open", "mkdir".
        syscall: &'static str,
        /// What it was about.
        path: PathBuf,
    },
    /// The stream is malformed, or wants what it may not have.
    #[error("unpack: {0}")]
    Invalid(String),
    /// The stream holds more than the caller, or memory, allows.
    #[error("unpack: it holds more than {most} {what}")]
    Exceeded {
        /// "bytes", "entries".
        what: &'static str,
        /// How many are allowed.
        most: u64,
    },
    /// The stream broke off.
    #[error("the archive's stream broke")]
    Stream(#[source] io::Error),
}

impl Error {
    /// The error of a malformed stream.
    pub(crate) fn invalid(what: impl Into<String>) -> Self {
        Self::Invalid(what.into())
    }
}

impl From<TarError> for Error {
    fn from(error: TarError) -> Self {
        match error {
            TarError::Read { source, .. } => Self::Stream(source),
            wrong => Self::Invalid(wrong.to_string()),
        }
    }
}

/// What everything in this crate returns.
pub type Result<T> = std::result::Result<T, Error>;

/// Names the call and the path of a failure.
pub(crate) trait At<T> {
    fn at(self, syscall: &'static str, path: &Path) -> Result<T>;

    /// The same, where the path has to be made first.
    fn when(self, syscall: &'static str, path: impl FnOnce() -> PathBuf) -> Result<T>;
}

impl<T> At<T> for nix::Result<T> {
    fn at(self, syscall: &'static str, path: &Path) -> Result<T> {
        self.when(syscall, || path.to_owned())
    }

    fn when(self, syscall: &'static str, path: impl FnOnce() -> PathBuf) -> Result<T> {
        self.map_err(|errno| Error::System { errno, syscall, path: path() })
    }
}

impl<T> At<T> for io::Result<T> {
    fn at(self, syscall: &'static str, path: &Path) -> Result<T> {
        self.when(syscall, || path.to_owned())
    }

    fn when(self, syscall: &'static str, path: impl FnOnce() -> PathBuf) -> Result<T> {
        self.map_err(|error| match error.raw_os_error() {
            Some(raw) => Error::System { errno: Errno::from_raw(raw), syscall, path: path() },
            None => Error::Stream(error),
        })
    }
}
