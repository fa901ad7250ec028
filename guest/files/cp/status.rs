//! The status of an entry, as the request wants symlinks to be treated.
//!
//! Called by `copy` and `walk`.

use std::{ffi::OsStr, os::fd::BorrowedFd};

use boxlite_proto::v1::FileRequest;
use nix::{
    errno::Errno,
    fcntl::AtFlags,
    sys::stat::{FileStat, fstatat},
};

/// Flags of fstatat(2) that follow a symlink or do not.
pub(super) fn flags(request: &FileRequest) -> AtFlags {
    if request.follow { AtFlags::empty() } else { AtFlags::AT_SYMLINK_NOFOLLOW }
}

/// The status of `name` in `folder`, or `None` if there is no such entry.
pub(super) fn present(
    request: &FileRequest,
    folder: BorrowedFd<'_>,
    name: &OsStr,
) -> nix::Result<Option<FileStat>> {
    match fstatat(folder, name, flags(request)) {
        Err(Errno::ENOENT) => Ok(None),
        stat => stat.map(Some),
    }
}
