//! What can go wrong between layers and a disk.

use std::{
    error::Error as StdError,
    io,
    path::{Path, PathBuf},
};

use boxlite_archive::TarError;
use boxlite_error::{BoxliteError, ErrorCode, Term, Text, text};
use boxlite_unpack::{Cancelled, clip};

/// An error with its cause, the layer it happened in, and what to do about it.
#[derive(Debug, thiserror::Error)]
#[error("{message}")]
pub struct Error {
    code: ErrorCode,
    message: String,
    layer: Option<PathBuf>,
    source: Option<Box<dyn StdError + Send + Sync>>,
}

impl Error {
    pub(crate) fn new(code: ErrorCode, message: impl Into<String>) -> Self {
        Self { code, message: clip(&message.into()), layer: None, source: None }
    }

    pub(crate) fn corrupt(message: impl Into<String>) -> Self {
        Self::new(ErrorCode::ImageCorrupt, message)
    }

    pub(crate) fn unsupported(message: impl Into<String>) -> Self {
        Self::new(ErrorCode::ImageUnsupported, message)
    }

    pub(crate) fn too_large(message: impl Into<String>) -> Self {
        Self::new(ErrorCode::ImageTooLarge, message)
    }

    /// An operation of the host's file system that failed.
    pub(crate) fn storage(message: impl Into<String>, source: io::Error) -> Self {
        let code = match source.kind() {
            // On the disk, in the quota, or below the process's file size limit.
            io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded | io::ErrorKind::FileTooLarge => {
                ErrorCode::StorageFull
            }
            _ => ErrorCode::StorageIo,
        };
        Self::new(code, message).because(source)
    }

    /// A read of a layer that failed: the host's fault if the system reported it, the layer's otherwise.
    pub(crate) fn reading(message: impl Into<String>, source: io::Error) -> Self {
        if source.raw_os_error().is_some() {
            return Self::storage(message, source);
        }
        // Our own errors travel through `io::Read` inside an `io::Error`; take them out again.
        let source = match source.downcast::<Self>() {
            Ok(ours) => return ours,
            Err(source) => source,
        };
        let source = match source.downcast::<TarError>() {
            Ok(error) => return error.into(),
            Err(source) => source,
        };
        // A decoder refuses what needs too much memory.
        if source.kind() == io::ErrorKind::FileTooLarge {
            return Self::too_large(source.to_string());
        }
        if Cancelled::is_in(&source) {
            return Self::new(ErrorCode::ImageCancelled, message).because(source);
        }
        Self::corrupt(message).because(source)
    }

    pub(crate) fn because(mut self, source: impl Into<Box<dyn StdError + Send + Sync>>) -> Self {
        self.source = Some(source.into());
        self
    }

    pub(crate) fn in_layer(mut self, path: &Path) -> Self {
        self.layer.get_or_insert_with(|| path.to_owned());
        self
    }

    /// The cause, for programs.
    pub fn code(&self) -> ErrorCode {
        self.code
    }

    /// The layer file that the error happened in, if it was one: the blob to check and to fetch again.
    pub fn layer(&self) -> Option<&Path> {
        self.layer.as_deref()
    }

    /// What the user can do about it, if anything is known.
    pub fn hint(&self) -> Option<Text> {
        match self.code {
            ErrorCode::ImageCorrupt => Some("pull the image again: damaged layers are fetched again".into()),
            ErrorCode::StorageCorrupt => Some(
                "`qemu-img check -r all` repairs what can be; try it on a copy, or remove the box".into(),
            ),
            ErrorCode::StorageFull => Some("free some disk space, or remove images and boxes".into()),
            ErrorCode::ImageTooLarge => Some(text![
                "use a smaller image; a disk that is too small for it has another size with ",
                Term::Option("disk_size_mib")
            ]),
            ErrorCode::ImageDigestMismatch => {
                Some("the image was built or pushed wrongly: build and push it again".into())
            }
            _ => None,
        }
    }
}

impl From<TarError> for Error {
    fn from(error: TarError) -> Self {
        match error {
            TarError::TooLarge(text) => Self::too_large(text),
            TarError::Unsupported(text) => Self::unsupported(text),
            TarError::Read { source, .. } => Self::reading("unpack layer", source),
            error => Self::corrupt(error.to_string()),
        }
    }
}

impl From<Error> for io::Error {
    fn from(error: Error) -> Self {
        Self::other(error)
    }
}

impl From<Error> for BoxliteError {
    fn from(error: Error) -> Self {
        let code = error.code();
        let hint = error.hint();
        Self::carrying(code, error).maybe_hint(hint)
    }
}
