//! Paths as the protocol has them: bytes. Used by every file of this room.

use std::{ffi::OsStr, os::unix::ffi::OsStrExt as _, path::Path};

use bytes::Bytes;

/// The path that `bytes` are.
pub(super) fn path_of(bytes: &[u8]) -> &Path {
    Path::new(OsStr::from_bytes(bytes))
}

/// The bytes of `path`.
pub(super) fn bytes_of(path: &Path) -> Bytes {
    Bytes::copy_from_slice(path.as_os_str().as_bytes())
}
