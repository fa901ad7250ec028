//! What can be wrong with an archive. `boxlite-disk` and `boxlite-images` turn it into errors of their own.

use std::io;

/// Why an archive can't be read.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// It contradicts itself or the format.
    #[error("{0}")]
    Corrupt(String),
    /// It exceeds a bound.
    #[error("{0}")]
    TooLarge(String),
    /// It uses something that is not supported.
    #[error("{0}")]
    Unsupported(String),
    /// It could not be read: the host's fault, or that of what unpacks it. An error of the reader's own is inside.
    #[error("{what}")]
    Read {
        /// What was tried.
        what: &'static str,
        /// Why it failed.
        source: io::Error,
    },
}

impl Error {
    pub(crate) fn corrupt(message: impl Into<String>) -> Self {
        Self::Corrupt(message.into())
    }

    pub(crate) fn too_large(message: impl Into<String>) -> Self {
        Self::TooLarge(message.into())
    }

    pub(crate) fn unsupported(message: impl Into<String>) -> Self {
        Self::Unsupported(message.into())
    }

    /// A failed read; an error of this crate that came through one is itself.
    pub(crate) fn reading(what: &'static str, source: io::Error) -> Self {
        match source.downcast::<Self>() {
            Ok(ours) => ours,
            Err(source) => Self::Read { what, source },
        }
    }
}

impl From<Error> for io::Error {
    fn from(error: Error) -> Self {
        Self::other(error)
    }
}
