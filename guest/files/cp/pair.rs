//! A folder of the source and the folder of the target that takes its entries. The way down leads through both at once.
//!
//! Moved by `walk`; `leaf` copies between the two folders.

use std::{
    ffi::OsStr,
    path::{Path, PathBuf},
};

use boxlite_archive::Folders;
use boxlite_proto::v1::{FileError, FileRequest};
use nix::{
    errno::Errno,
    fcntl::{OFlag, open, openat},
    sys::stat::Mode,
};

use crate::files::{
    fault::{Call as _, Outcome, fault},
    lexical::absolute,
    path::bytes_of,
};

/// The two folders.
pub(super) struct FolderPair<'a> {
    /// What is requested: `force` replaces files, and `preserve` keeps times.
    pub(super) request: &'a FileRequest,
    pub(super) from: Folders,
    pub(super) to: Folders,
    /// Path of the folder where the way down the source begins.
    pub(super) source: PathBuf,
    /// Path of the folder where the way down the target begins.
    pub(super) target: PathBuf,
}

impl<'a> FolderPair<'a> {
    pub(super) fn open(request: &'a FileRequest, from: &Path, to: &Path) -> Outcome<Self> {
        let flags = OFlag::O_DIRECTORY | OFlag::O_CLOEXEC;
        let source = open(from, flags, Mode::empty()).call("scandir", from)?;
        let target = open(to, flags | OFlag::O_PATH, Mode::empty()).call("open", to)?;
        Ok(Self {
            request,
            from: Folders::new(source, OFlag::empty()).call("scandir", from)?,
            to: Folders::new(target, OFlag::O_PATH).call("open", to)?,
            source: absolute(from).call("cp", from)?,
            target: absolute(to).call("cp", to)?,
        })
    }

    /// Path of an entry of the source's folder, for messages.
    pub(super) fn source_path(&self, name: &OsStr) -> PathBuf {
        self.from.shown(&self.source, name)
    }

    /// Path of an entry of the target's folder, for messages.
    pub(super) fn target_path(&self, name: &OsStr) -> PathBuf {
        self.to.shown(&self.target, name)
    }

    /// A failure of `syscall` on the entry `name`.
    pub(super) fn failed(&self, errno: Errno, syscall: &str, name: &OsStr) -> FileError {
        FileError {
            to: bytes_of(&self.target_path(name)),
            ..fault(errno as i32, syscall, &self.source_path(name))
        }
    }

    /// Names the entry `name` in a failure of `syscall`.
    pub(super) fn checked<T>(&self, result: nix::Result<T>, syscall: &str, name: &OsStr) -> Outcome<T> {
        result.map_err(|errno| self.failed(errno, syscall, name))
    }

    /// Enters the folder `name` on both sides, through symlinks if those are followed.
    pub(super) fn enter(&mut self, name: &OsStr) -> nix::Result<()> {
        let follow = self.request.follow;
        enter(&mut self.from, name, follow, OFlag::empty())?;
        enter(&mut self.to, name, follow, OFlag::O_PATH)
    }

    /// Returns to the parent on both sides.
    pub(super) fn leave(&mut self) -> Outcome<()> {
        let left = self.from.leave().and_then(|_| self.to.leave());
        self.checked(left.map(drop), "cp", OsStr::new(".."))
    }
}

fn enter(folders: &mut Folders, name: &OsStr, follow: bool, flags: OFlag) -> nix::Result<()> {
    match folders.enter(name) {
        Err(Errno::ENOTDIR | Errno::ELOOP) if follow => {
            let flags = flags | OFlag::O_DIRECTORY | OFlag::O_CLOEXEC;
            let folder = openat(folders.here(), name, flags, Mode::empty())?;
            folders.enter_linked(name, folder)
        }
        entered => entered,
    }
}
