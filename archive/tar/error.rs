//! What can be wrong with a tar archive. `boxlite-disk`, `boxlite-images` and `unpack` turn it into errors of their own.

use std::io;

/// Why an archive can't be read.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TarError {
    /// It contradicts itself or the format.
    #[error("{0}")]
    Corrupt(String),
    /// It exceeds a bound.
    #[error("{0}")]
    TooLarge(String),
    /// It uses something that is not supported.
    #[error("{0}")]
    Unsupported(String),
    /// Its stream could not be read, which is no fault of the archive.
    #[error("{what}")]
    Read {
        /// What was tried.
        what: &'static str,
        /// Why it failed.
        source: io::Error,
    },
}

impl TarError {
    pub(super) fn corrupt(message: impl Into<String>) -> Self {
        Self::Corrupt(message.into())
    }

    /// A failed read; an error of this crate that came through one is itself.
    pub(crate) fn reading(what: &'static str, source: io::Error) -> Self {
        match source.downcast::<Self>() {
            Ok(ours) => ours,
            Err(source) => Self::Read { what, source },
        }
    }
}

impl From<TarError> for io::Error {
    fn from(error: TarError) -> Self {
        Self::other(error)
    }
}
