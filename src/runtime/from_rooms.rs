//! From the errors of the rooms below to `BoxliteError`: the one table of this direction.

use boxlite_disk::ErrorKind as DiskKind;
use boxlite_images::ErrorKind as ImageKind;

use crate::{BoxliteError, ErrorCode};

impl From<boxlite_disk::Error> for BoxliteError {
    fn from(error: boxlite_disk::Error) -> Self {
        let code = match error.kind() {
            DiskKind::Corrupt => ErrorCode::ImageCorrupt,
            DiskKind::DiffIdMismatch => ErrorCode::ImageDigestMismatch,
            DiskKind::TooLarge => ErrorCode::ImageTooLarge,
            DiskKind::Unsupported => ErrorCode::ImageUnsupported,
            DiskKind::StorageFull => ErrorCode::StorageFull,
            DiskKind::Cancelled => ErrorCode::ImageCancelled,
            DiskKind::StorageCorrupt => ErrorCode::StorageCorrupt,
            _ => ErrorCode::StorageIo,
        };
        let hint = error.hint();
        Self::carrying(code, error).maybe_hint(hint)
    }
}

impl From<boxlite_images::Error> for BoxliteError {
    fn from(error: boxlite_images::Error) -> Self {
        let code = match error.kind() {
            ImageKind::Reference => ErrorCode::ImageReference,
            ImageKind::NotFound => ErrorCode::ImageNotFound,
            ImageKind::NotCached => ErrorCode::ImageNotCached,
            ImageKind::Unauthorized => ErrorCode::ImageUnauthorized,
            ImageKind::Platform => ErrorCode::ImagePlatform,
            ImageKind::DigestMismatch => ErrorCode::ImageDigestMismatch,
            ImageKind::Corrupt => ErrorCode::ImageCorrupt,
            ImageKind::TooLarge => ErrorCode::ImageTooLarge,
            ImageKind::Unsupported => ErrorCode::ImageUnsupported,
            ImageKind::Cancelled => ErrorCode::ImageCancelled,
            ImageKind::RegistryUnreachable => ErrorCode::RegistryUnreachable,
            ImageKind::RegistryError { .. } => ErrorCode::RegistryFailed,
            ImageKind::RateLimited => ErrorCode::RegistryRateLimited,
            ImageKind::StorageFull => ErrorCode::StorageFull,
            _ => ErrorCode::StorageIo,
        };
        let hint = error.hint();
        Self::carrying(code, error).maybe_hint(hint)
    }
}
