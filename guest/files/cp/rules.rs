//! The options of one `cp`, and what they say about a symlink.
//!
//! Made by `copy` from the request; read by every file of this room.

use std::{ffi::OsStr, os::fd::BorrowedFd};

use boxlite_proto::v1::FileRequest;
use nix::{
    errno::Errno,
    fcntl::AtFlags,
    sys::stat::{FileStat, fstatat},
};

#[allow(clippy::struct_excessive_bools, reason = "the options of cp are independent")]
/// The options.
#[derive(Debug, Clone, Copy)]
pub(super) struct Rules {
    pub(super) recursive: bool,
    pub(super) overwrite: bool,
    pub(super) exclusive: bool,
    pub(super) follow: bool,
    pub(super) times: bool,
    pub(super) verbatim: bool,
    pub(super) shallow: bool,
}

impl Rules {
    pub(super) fn of(request: &FileRequest) -> Self {
        Self {
            recursive: request.recursive,
            overwrite: request.force,
            exclusive: request.exclusive,
            follow: request.follow,
            times: request.preserve,
            verbatim: request.verbatim,
            shallow: request.shallow,
        }
    }

    /// Flags of fstatat(2) that follow a symlink or do not.
    pub(super) fn flags(self) -> AtFlags {
        if self.follow { AtFlags::empty() } else { AtFlags::AT_SYMLINK_NOFOLLOW }
    }

    /// The status of `name` in `folder`, or `None` if there is no such entry.
    pub(super) fn status(self, folder: BorrowedFd<'_>, name: &OsStr) -> nix::Result<Option<FileStat>> {
        match fstatat(folder, name, self.flags()) {
            Err(Errno::ENOENT) => Ok(None),
            stat => stat.map(Some),
        }
    }
}
