//! What can go wrong on the way to an image.

use std::{error::Error as StdError, io, sync::Arc, time::Duration};

use boxlite_error::{BoxliteError, ErrorCode};
use boxlite_unpack::{Cancelled, LONGEST_TEXT, clip};

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
    /// At once, without a range: the registry has none that begins there.
    Whole,
}

/// An error with its cause and what to do about it. Cheap to clone: several callers may wait for one pull.
#[derive(Debug, Clone, thiserror::Error)]
#[error("{message}")]
pub struct Error {
    code: ErrorCode,
    message: String,
    source: Option<Arc<dyn StdError + Send + Sync>>,
    pub(crate) retry: Retry,
}

impl Error {
    pub(crate) fn new(code: ErrorCode, message: impl Into<String>) -> Self {
        Self { code, message: clip(&message.into()), source: None, retry: Retry::Never }
    }

    pub(crate) fn corrupt(message: impl Into<String>) -> Self {
        Self::new(ErrorCode::ImageCorrupt, message)
    }

    /// An operation of the host's file system that failed.
    pub(crate) fn storage(message: impl Into<String>, source: io::Error) -> Self {
        let code = match source.kind() {
            io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded | io::ErrorKind::FileTooLarge => {
                ErrorCode::StorageFull
            }
            _ if Cancelled::is_in(&source) => ErrorCode::ImageCancelled,
            _ => ErrorCode::StorageIo,
        };
        Self::new(code, message).because(source)
    }

    pub(crate) fn because(mut self, source: impl StdError + Send + Sync + 'static) -> Self {
        let text = source.to_string();
        // Parsers quote what they don't understand.
        let plain = text.len() <= LONGEST_TEXT && !text.contains(char::is_control);
        self.source = Some(if plain { Arc::new(source) } else { Arc::new(Clipped(clip(&text))) });
        self
    }

    /// Marks an error that may pass by itself.
    pub(crate) fn transient(self, pause: Option<Duration>) -> Self {
        self.with_retry(pause.map_or(Retry::Soon, Retry::After))
    }

    /// Says when another attempt may succeed.
    pub(crate) fn with_retry(self, retry: Retry) -> Self {
        Self { retry, ..self }
    }

    /// The cause, for programs.
    pub fn code(&self) -> ErrorCode {
        self.code
    }

    /// What the user can do about it, if anything is known.
    pub fn hint(&self) -> Option<&'static str> {
        Some(match self.code {
            ErrorCode::ImageReference => "write it as NAME[:TAG], HOST[:PORT]/NAME[:TAG], or oci:PATH[:TAG]",
            ErrorCode::ImageNotFound => "check the spelling of the image's name and tag",
            ErrorCode::ImageUnauthorized => {
                "check the image's name; if it is private, log in with `docker login` or give credentials for the registry"
            }
            ErrorCode::ImagePlatform => "choose an image that is built for this machine's architecture",
            ErrorCode::ImageDigestMismatch => {
                "the registry or something between serves wrong bytes: try again, or use another mirror"
            }
            ErrorCode::ImageCorrupt => "try again: what was damaged is fetched again",
            ErrorCode::RegistryUnreachable => {
                "check the registry's address, the network and proxy settings; a registry without TLS needs the option `http`"
            }
            ErrorCode::RegistryRateLimited => "wait a while, log in for a higher limit, or use a mirror",
            ErrorCode::RegistryFailed => "try again later; if it stays, ask the registry's operator",
            ErrorCode::StorageFull => "free some disk space, or remove images and boxes",
            ErrorCode::ImageNotCached => "pull the image first, or allow pulling",
            _ => return None,
        })
    }
}

impl From<Error> for BoxliteError {
    fn from(error: Error) -> Self {
        let code = error.code();
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
