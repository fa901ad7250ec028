//! `FileTarget`: what an operation is about. Paths become the protocol's bytes here, and come back as paths.

use std::{
    ffi::OsString,
    os::unix::ffi::{OsStrExt as _, OsStringExt as _},
    path::{Path, PathBuf},
};

use bytes::Bytes;

/// Bytes that a path keeps on its way to the box: twice what Linux takes, so that the kernel refuses what is too long, and no more
/// than a message holds.
const PATH: usize = 8192;

/// A file by its path, or an open one by the number that the guest gave it.
#[derive(Debug, Clone)]
pub enum FileTarget {
    /// A path in the box. Relative paths begin at the box's working directory.
    Path(Bytes),
    /// An open file; never 0.
    Handle(u64),
}

impl From<&Path> for FileTarget {
    fn from(path: &Path) -> Self {
        Self::Path(bytes_of(path))
    }
}

impl FileTarget {
    /// The path, which an open file does not have, and the handle, which is 0 for a path.
    pub(super) fn into_parts(self) -> (Bytes, u64) {
        match self {
            Self::Path(path) => (path, 0),
            Self::Handle(handle) => (Bytes::new(), handle),
        }
    }
}

pub(super) fn bytes_of(path: &Path) -> Bytes {
    let bytes = path.as_os_str().as_bytes();
    Bytes::copy_from_slice(&bytes[..bytes.len().min(PATH)])
}

pub(super) fn path_of(bytes: Bytes) -> PathBuf {
    PathBuf::from(OsString::from_vec(Vec::from(bytes)))
}
