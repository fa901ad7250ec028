//! `FileTarget`: what an operation is about. Paths become the protocol's bytes here, and come back as paths.

use std::{
    ffi::{OsStr, OsString},
    os::unix::ffi::{OsStrExt as _, OsStringExt as _},
    path::{Path, PathBuf},
};

use boxlite_proto::v1::FileRequest;
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
    /// A request that has the path or the handle.
    pub(super) fn request(self) -> FileRequest {
        match self {
            Self::Path(path) => FileRequest { path, ..FileRequest::default() },
            Self::Handle(handle) => FileRequest { handle, ..FileRequest::default() },
        }
    }
}

/// The bytes of a path, or of the name of an extended attribute.
pub(super) fn bytes_of(name: &(impl AsRef<OsStr> + ?Sized)) -> Bytes {
    let bytes = name.as_ref().as_bytes();
    Bytes::copy_from_slice(&bytes[..bytes.len().min(PATH)])
}

pub(super) fn path_of(bytes: Bytes) -> PathBuf {
    PathBuf::from(OsString::from_vec(Vec::from(bytes)))
}
