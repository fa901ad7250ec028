//! What can go wrong between layers and a disk. The runtime maps [`ErrorKind`] to its own codes.

use boxlite_error::{BoxliteError, ErrorCode, Term, Text, text};
use std::{
    error::Error as StdError,
    io,
    path::{Path, PathBuf},
};

use boxlite_archive::TarError;
use boxlite_unpack::{Cancelled, clip};

/// The cause of an [`Error`], for programs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ErrorKind {
    /// A layer is truncated or is not a valid gzip, zstd or tar stream. Its blob should be checked and fetched again.
    Corrupt,
    /// A layer unpacks well, but not to the `diff_id` that the image's configuration promises.
    DiffIdMismatch,
    /// The image exceeds a bound of [`crate::Limits`], or does not fit the disk.
    TooLarge,
    /// The image holds something that the disk can't represent.
    Unsupported,
    /// The host's file system is full.
    StorageFull,
    /// The host's file system failed.
    StorageIo,
    /// A box's disk contradicts itself.
    StorageCorrupt,
    /// The ext4 or the qcow2 engine failed.
    Engine,
    /// The caller cancelled the work.
    Cancelled,
}

/// An error with its cause, the layer it happened in, and what to do about it.
#[derive(Debug, thiserror::Error)]
#[error("{message}")]
pub struct Error {
    kind: ErrorKind,
    message: String,
    layer: Option<PathBuf>,
    source: Option<Box<dyn StdError + Send + Sync>>,
}

impl Error {
    pub(crate) fn new(kind: ErrorKind, message: impl Into<String>) -> Self {
        Self { kind, message: clip(&message.into()), layer: None, source: None }
    }

    pub(crate) fn corrupt(message: impl Into<String>) -> Self {
        Self::new(ErrorKind::Corrupt, message)
    }

    pub(crate) fn unsupported(message: impl Into<String>) -> Self {
        Self::new(ErrorKind::Unsupported, message)
    }

    pub(crate) fn too_large(message: impl Into<String>) -> Self {
        Self::new(ErrorKind::TooLarge, message)
    }

    /// An operation of the host's file system that failed.
    pub(crate) fn storage(message: impl Into<String>, source: io::Error) -> Self {
        let kind = if is_full(&source) { ErrorKind::StorageFull } else { ErrorKind::StorageIo };
        Self::new(kind, message).because(source)
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
            return Self::new(ErrorKind::Cancelled, message).because(source);
        }
        Self::corrupt(message).because(source)
    }

    /// An error of the ext4 engine.
    pub(crate) fn engine(message: impl Into<String>, source: mkext4::Error) -> Self {
        match source {
            mkext4::Error::Io(source) if source.raw_os_error().is_some() => Self::storage(message, source),
            mkext4::Error::Io(source) => match source.downcast::<Self>() {
                Ok(ours) => ours,
                Err(source) => Self::new(ErrorKind::Engine, message).because(source),
            },
            source => Self::new(ErrorKind::Engine, message).because(source),
        }
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
    pub fn kind(&self) -> ErrorKind {
        self.kind
    }

    /// The layer file that the error happened in, if it was one: the blob to check and to fetch again.
    pub fn layer(&self) -> Option<&Path> {
        self.layer.as_deref()
    }

    /// What the user can do about it, if anything is known.
    pub fn hint(&self) -> Option<Text> {
        match self.kind {
            ErrorKind::Corrupt => Some("pull the image again: damaged layers are fetched again".into()),
            ErrorKind::StorageCorrupt => Some(
                "`qemu-img check -r all` repairs what can be; try it on a copy, or remove the box".into(),
            ),
            ErrorKind::StorageFull => Some("free some disk space, or remove images and boxes".into()),
            ErrorKind::TooLarge => Some(text![
                "use a smaller image; a disk that is too small for it has another size with ",
                Term::Option("disk_size_mib")
            ]),
            ErrorKind::DiffIdMismatch => {
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

/// Whether the system has no space left: on the disk, in the quota, or below the process's file size limit.
fn is_full(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded | io::ErrorKind::FileTooLarge
    )
}

impl From<Error> for BoxliteError {
    fn from(error: Error) -> Self {
        let code = match error.kind() {
            ErrorKind::Corrupt => ErrorCode::ImageCorrupt,
            ErrorKind::DiffIdMismatch => ErrorCode::ImageDigestMismatch,
            ErrorKind::TooLarge => ErrorCode::ImageTooLarge,
            ErrorKind::Unsupported => ErrorCode::ImageUnsupported,
            ErrorKind::StorageFull => ErrorCode::StorageFull,
            ErrorKind::Cancelled => ErrorCode::ImageCancelled,
            ErrorKind::StorageCorrupt => ErrorCode::StorageCorrupt,
            _ => ErrorCode::StorageIo,
        };
        let hint = error.hint();
        Self::carrying(code, error).maybe_hint(hint)
    }
}
