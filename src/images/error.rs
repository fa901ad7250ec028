//! What can go wrong on the way to an image. The runtime maps [`ErrorKind`] to its own codes.

use boxlite_error::{BoxliteError, ErrorCode};
use std::{error::Error as StdError, io, sync::Arc, time::Duration};

use boxlite_unpack::{Cancelled, LONGEST_TEXT, clip};

/// The cause of an [`Error`], for programs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ErrorKind {
    /// The image reference can't be understood.
    Reference,
    /// There is no such image, tag, digest or file.
    NotFound,
    /// The registry wants other credentials.
    Unauthorized,
    /// The image has no variant for the requested platform.
    Platform,
    /// Content does not have the digest that its name promises.
    DigestMismatch,
    /// A blob is truncated or damaged, or a manifest makes no sense.
    Corrupt,
    /// Something is larger than is reasonable.
    TooLarge,
    /// The image uses something that is not supported.
    Unsupported,
    /// No connection to the registry, or it broke off.
    RegistryUnreachable,
    /// The registry answered with an error of its own.
    RegistryError {
        /// The HTTP status.
        status: u16,
    },
    /// The registry asks to slow down (HTTP 429).
    RateLimited,
    /// The host's file system is full.
    StorageFull,
    /// The host's file system failed.
    StorageIo,
    /// The work was cancelled because its task ended.
    Cancelled,
    /// The image is not in the store, and the policy forbids to fetch it.
    NotCached,
}

/// A cause whose own text is too long or not fit to be shown.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
struct Clipped(String);

/// Whether another attempt may succeed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Retry {
    Never,
    Soon,
    /// After the pause that the registry requested.
    After(Duration),
    /// At once, at another place.
    Elsewhere,
}

/// An error with its cause and what to do about it. Cheap to clone: several callers may wait for one pull.
#[derive(Debug, Clone, thiserror::Error)]
#[error("{message}")]
pub struct Error {
    kind: ErrorKind,
    message: String,
    source: Option<Arc<dyn StdError + Send + Sync>>,
    retry: Retry,
}

impl Error {
    pub(crate) fn new(kind: ErrorKind, message: impl Into<String>) -> Self {
        Self { kind, message: clip(&message.into()), source: None, retry: Retry::Never }
    }

    pub(crate) fn corrupt(message: impl Into<String>) -> Self {
        Self::new(ErrorKind::Corrupt, message)
    }

    /// An operation of the host's file system that failed.
    pub(crate) fn storage(message: impl Into<String>, source: io::Error) -> Self {
        let kind = match source.kind() {
            io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded | io::ErrorKind::FileTooLarge => {
                ErrorKind::StorageFull
            }
            _ if Cancelled::is_in(&source) => ErrorKind::Cancelled,
            _ => ErrorKind::StorageIo,
        };
        Self::new(kind, message).because(source)
    }

    pub(crate) fn because(mut self, source: impl StdError + Send + Sync + 'static) -> Self {
        let text = source.to_string();
        // Parsers quote what they don't understand.
        let plain = text.len() <= LONGEST_TEXT && !text.contains(char::is_control);
        self.source = Some(if plain { Arc::new(source) } else { Arc::new(Clipped(clip(&text))) });
        self
    }

    /// Marks an error that may pass by itself.
    pub(crate) fn transient(mut self, pause: Option<Duration>) -> Self {
        self.retry = pause.map_or(Retry::Soon, Retry::After);
        self
    }

    /// Marks an error of a mirror that was left.
    pub(crate) fn elsewhere(mut self) -> Self {
        self.retry = Retry::Elsewhere;
        self
    }

    pub(crate) fn retry(&self) -> Retry {
        self.retry
    }

    /// The cause, for programs.
    pub fn kind(&self) -> ErrorKind {
        self.kind
    }

    /// What the user can do about it, if anything is known.
    pub fn hint(&self) -> Option<&'static str> {
        Some(match self.kind {
            ErrorKind::Reference => "write it as NAME[:TAG], HOST[:PORT]/NAME[:TAG], or oci:PATH[:TAG]",
            ErrorKind::NotFound => "check the spelling of the image's name and tag",
            ErrorKind::Unauthorized => {
                "check the image's name; if it is private, log in with `docker login` or give credentials for the registry"
            }
            ErrorKind::Platform => "choose an image that is built for this machine's architecture",
            ErrorKind::DigestMismatch => {
                "the registry or something between serves wrong bytes: try again, or use another mirror"
            }
            ErrorKind::Corrupt => "try again: what was damaged is fetched again",
            ErrorKind::RegistryUnreachable => {
                "check the registry's address, the network and proxy settings; a registry without TLS needs the option `http`"
            }
            ErrorKind::RateLimited => "wait a while, log in for a higher limit, or use a mirror",
            ErrorKind::RegistryError { .. } => "try again later; if it stays, ask the registry's operator",
            ErrorKind::StorageFull => "free some disk space, or remove images and boxes",
            ErrorKind::NotCached => "pull the image first, or allow pulling",
            _ => return None,
        })
    }
}

impl From<Error> for BoxliteError {
    fn from(error: Error) -> Self {
        let code = match error.kind() {
            ErrorKind::Reference => ErrorCode::ImageReference,
            ErrorKind::NotFound => ErrorCode::ImageNotFound,
            ErrorKind::NotCached => ErrorCode::ImageNotCached,
            ErrorKind::Unauthorized => ErrorCode::ImageUnauthorized,
            ErrorKind::Platform => ErrorCode::ImagePlatform,
            ErrorKind::DigestMismatch => ErrorCode::ImageDigestMismatch,
            ErrorKind::Corrupt => ErrorCode::ImageCorrupt,
            ErrorKind::TooLarge => ErrorCode::ImageTooLarge,
            ErrorKind::Unsupported => ErrorCode::ImageUnsupported,
            ErrorKind::Cancelled => ErrorCode::ImageCancelled,
            ErrorKind::RegistryUnreachable => ErrorCode::RegistryUnreachable,
            ErrorKind::RegistryError { .. } => ErrorCode::RegistryFailed,
            ErrorKind::RateLimited => ErrorCode::RegistryRateLimited,
            ErrorKind::StorageFull => ErrorCode::StorageFull,
            _ => ErrorCode::StorageIo,
        };
        let hint = error.hint();
        Self::carrying(code, error).maybe_hint(hint)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn untrusted_texts_are_short_and_plain() {
        let long = "x\n".repeat(3 << 20);
        let error = Error::corrupt(long.clone()).because(io::Error::other(long));
        for text in [error.to_string(), error.source.unwrap().to_string()] {
            assert!(text.len() < 5000 && !text.contains('\n'), "{} bytes", text.len());
        }
    }
}
