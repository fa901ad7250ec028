//! Copying a folder and all that is in it. Nothing recurses.
//!
//! Called by `copy`; calls `leaf` for what is no folder.

use std::{
    ffi::{OsStr, OsString},
    os::unix::ffi::OsStrExt as _,
    path::Path,
};

use boxlite_proto::v1::{FileRefusal, FileRequest};
use nix::{
    dir::Dir,
    errno::Errno,
    fcntl::{OFlag, openat},
    libc,
    sys::stat::{FchmodatFlags, Mode, UtimensatFlags, fchmodat, fstat, fstatat, mkdirat, utimensat},
};

use super::{
    leaf::times,
    pair::FolderPair,
    refusal::{check_kinds, exists, is_folder, refusal},
    status::{flags, present},
};
use crate::files::fault::Outcome;

/// Most bytes of names that wait in all folders on the way down: some two million names.
const WAITING: usize = 128 << 20;
/// Memory that a waiting name takes besides its own bytes.
const NAME: usize = 40;

/// The way through both trees.
pub(super) struct Walk<'a> {
    pub(super) pair: FolderPair<'a>,
    /// Device and inode of the target, which must not be found in the source.
    forbidden: (u64, u64),
    /// Bytes of the names that are still to be copied.
    waiting: usize,
}

/// A folder that is being filled.
struct Level {
    names: Vec<OsString>,
    /// Whether the target's folder is new.
    made: bool,
}

impl<'a> Walk<'a> {
    pub(super) fn open(request: &'a FileRequest, from: &Path, to: &Path) -> Outcome<Self> {
        let pair = FolderPair::open(request, from, to)?;
        let forbidden = pair.to.identity();
        Ok(Self { pair, forbidden, waiting: 0 })
    }

    /// Copies everything in the current folder of the source to that of the target. `made` says whether the latter is new.
    pub(super) fn fill(&mut self, made: bool) -> Outcome<()> {
        let mut levels = vec![Level { names: self.names()?, made }];
        while let Some(level) = levels.last_mut() {
            if let Some(name) = level.names.pop() {
                self.waiting -= NAME + name.len();
                if let Some(made) = self.entry(&name)? {
                    levels.push(Level { names: self.names()?, made });
                }
                continue;
            }
            self.end(level.made)?;
            levels.pop();
            if !levels.is_empty() {
                self.pair.leave()?;
            }
        }
        Ok(())
    }

    /// The names in the source's current folder, the first one last.
    fn names(&mut self) -> Outcome<Vec<OsString>> {
        let mut waiting = self.waiting;
        let failed = |errno| self.pair.failed(errno, "scandir", OsStr::new(""));
        let folder = openat(self.pair.from.here(), ".", OFlag::O_DIRECTORY | OFlag::O_CLOEXEC, Mode::empty());
        let mut names = Vec::new();
        for entry in folder.and_then(Dir::from_fd).map_err(failed)?.iter() {
            let entry = entry.map_err(failed)?;
            let name = entry.file_name().to_bytes();
            if !matches!(name, b"." | b"..") {
                names.push(OsStr::from_bytes(name).to_owned());
                waiting += NAME + name.len();
                if waiting > WAITING {
                    return Err(failed(Errno::ENOMEM));
                }
            }
        }
        names.sort_unstable_by(|one, other| other.cmp(one));
        self.waiting = waiting;
        Ok(names)
    }

    /// Copies the entry `name`. If it is a folder, enters it on both sides and returns whether the target's is new.
    pub(super) fn entry(&mut self, name: &OsStr) -> Outcome<Option<bool>> {
        let request = self.pair.request;
        let meta = fstatat(self.pair.from.here(), name, flags(request));
        let meta = self.pair.checked(meta, "cp", name)?;
        let present = self.pair.checked(present(request, self.pair.to.here(), name), "cp", name)?;
        check_kinds(&meta, present.as_ref(), &self.pair.source_path(name), &self.pair.target_path(name))?;
        if !is_folder(&meta) {
            return self.pair.copy_leaf(name, name, &meta, present.as_ref()).map(|()| None);
        }
        if (meta.st_dev, meta.st_ino) == self.forbidden {
            let message = format!("cannot copy {} to a subdirectory of self", self.pair.source.display());
            let target = &self.pair.target;
            return Err(refusal(FileRefusal::ErrFsCpEinval, libc::EINVAL, message, target));
        }
        if self.pair.request.follow && self.pair.from.holds((meta.st_dev, meta.st_ino)) {
            // A symlink leads back to a folder that it is in.
            return Err(self.pair.failed(Errno::ELOOP, "cp", name));
        }
        let missing = present.is_none();
        if missing {
            let mode = Mode::from_bits_truncate(0o777);
            self.pair.checked(mkdirat(self.pair.to.here(), name, mode), "mkdir", name)?;
        } else if self.pair.request.exclusive {
            return Err(exists(&self.pair.target_path(name)));
        }
        let entered = self.pair.enter(name);
        self.pair.checked(entered, "cp", name)?;
        Ok(Some(missing))
    }

    /// Sets the times and the mode of the target's current folder, which is complete. A folder that existed keeps its mode.
    pub(super) fn end(&self, is_new: bool) -> Outcome<()> {
        let (pair, itself) = (&self.pair, OsStr::new(""));
        let meta = pair.checked(fstat(pair.from.here()), "cp", itself)?;
        if pair.request.preserve && !pair.request.shallow {
            let (atime, mtime) = times(&meta);
            let set = utimensat(pair.to.here(), ".", &atime, &mtime, UtimensatFlags::FollowSymlink);
            pair.checked(set, "utime", itself)?;
        }
        if is_new {
            let mode = Mode::from_bits_truncate(meta.st_mode & 0o7777);
            pair.checked(fchmodat(pair.to.here(), ".", mode, FchmodatFlags::FollowSymlink), "chmod", itself)?;
        }
        Ok(())
    }
}
