//! `Confined`: a folder whose inside can be written by name, and whose outside can't be reached.
//!
//! Every path is walked one component at a time from the folder's descriptor, and no step follows a symlink: one that was
//! there before, that the archive made, or that somebody puts there meanwhile, is refused or replaced, never entered.

use std::{
    ffi::OsStr,
    fs::File,
    os::fd::{AsFd as _, BorrowedFd, OwnedFd},
    path::{Component, Path, PathBuf},
};

use nix::{
    errno::Errno,
    fcntl::{AtFlags, OFlag, open, openat},
    sys::stat::{FchmodatFlags, Mode, UtimensatFlags, fchmodat, mkdirat, utimensat},
    sys::time::TimeSpec,
    unistd::{Gid, Uid, UnlinkatFlags, fchownat, linkat, symlinkat, unlinkat},
};

use crate::{Error, Result, allowance::Allowance, error::At as _};

const FOLDER: OFlag = OFlag::O_PATH.union(OFlag::O_DIRECTORY).union(OFlag::O_CLOEXEC);

/// A path inside, made of plain names.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Default)]
pub(crate) struct Inside(PathBuf);

impl Inside {
    /// `path` as archives mean it: relative to the folder, whether or not it begins with a slash.
    pub(crate) fn new(path: &Path) -> Result<Self> {
        let mut inside = PathBuf::new();
        for component in path.components() {
            match component {
                Component::Normal(name) => inside.push(name),
                Component::CurDir | Component::RootDir => {}
                Component::ParentDir | Component::Prefix(_) => {
                    return Err(Error::Invalid(format!("entry {path:?}: it leaves the folder")));
                }
            }
        }
        Ok(Self(inside))
    }

    pub(crate) fn path(&self) -> &Path {
        &self.0
    }

    /// The folder itself.
    pub(crate) fn is_root(&self) -> bool {
        self.0.as_os_str().is_empty()
    }

    fn parent(&self) -> &Path {
        self.0.parent().unwrap_or(Path::new(""))
    }

    fn name(&self) -> &OsStr {
        self.0.file_name().unwrap_or(OsStr::new("."))
    }
}

/// See the module.
#[derive(Debug)]
pub(crate) struct Confined {
    folder: OwnedFd,
    /// The parent of the last entry: archives go through a tree in order, so most entries share it.
    parent: Option<(PathBuf, OwnedFd)>,
    entries: Allowance,
}

impl Confined {
    /// `folder` is the caller's own choice: symlinks in it are followed. Up to `entries` are made in it.
    pub(crate) fn open(folder: &Path, entries: Allowance) -> Result<Self> {
        let folder = open(folder, FOLDER, Mode::empty()).at("open", folder)?;
        Ok(Self { folder, parent: None, entries })
    }

    /// Makes a directory, in place of anything that is none. One that exists stays, with what it holds.
    pub(crate) fn directory(&mut self, inside: &Inside) -> Result<()> {
        if inside.is_root() {
            return Ok(());
        }
        self.entries.spend(1)?;
        let parent = self.parent_of(inside)?;
        make_directory(parent, inside.name()).at("mkdir", inside.path())
    }

    /// Makes a new empty file, in place of what was there, for writing.
    pub(crate) fn file(&mut self, inside: &Inside) -> Result<File> {
        let flags = OFlag::O_WRONLY | OFlag::O_CREAT | OFlag::O_EXCL | OFlag::O_NOFOLLOW | OFlag::O_CLOEXEC;
        let private = Mode::S_IRUSR | Mode::S_IWUSR;
        self.entries.spend(1)?;
        let parent = self.parent_of(inside)?;
        let made = replacing(parent, inside.name(), || openat(parent, inside.name(), flags, private));
        made.map(File::from).at("open", inside.path())
    }

    pub(crate) fn symlink(&mut self, inside: &Inside, target: &Path) -> Result<()> {
        self.entries.spend(1)?;
        let parent = self.parent_of(inside)?;
        replacing(parent, inside.name(), || symlinkat(target, parent, inside.name()))
            .at("symlink", inside.path())
    }

    /// Gives the file `existing`, which is inside too, one more name.
    pub(crate) fn link(&mut self, inside: &Inside, existing: &Inside) -> Result<()> {
        if inside == existing {
            return Ok(());
        }
        self.entries.spend(1)?;
        let from = self.parent_of(existing)?.try_clone_to_owned().at("dup", existing.path())?;
        let to = self.parent_of(inside)?;
        // Without AT_SYMLINK_FOLLOW a symlink gets the name, not what it leads to.
        replacing(to, inside.name(), || linkat(&from, existing.name(), to, inside.name(), AtFlags::empty()))
            .at("link", inside.path())
    }

    /// Owner, mode and time of a directory or, but for the mode, of a symlink.
    pub(crate) fn dress(
        &mut self,
        inside: &Inside,
        owner: Option<(u32, u32)>,
        mode: Option<u32>,
        mtime: TimeSpec,
    ) -> Result<()> {
        let parent = self.parent_of(inside)?;
        let name = inside.name();
        if let Some((uid, gid)) = owner {
            let (uid, gid) = (Some(Uid::from_raw(uid)), Some(Gid::from_raw(gid)));
            fchownat(parent, name, uid, gid, AtFlags::AT_SYMLINK_NOFOLLOW).at("chown", inside.path())?;
        }
        if let Some(mode) = mode {
            // Through a descriptor of the directory itself: fchmodat(2) would follow a symlink.
            let directory = open_directory(parent, name).at("open", inside.path())?;
            fchmodat(&directory, ".", Mode::from_bits_truncate(mode), FchmodatFlags::FollowSymlink)
                .at("chmod", inside.path())?;
        }
        utimensat(parent, name, &mtime, &mtime, UtimensatFlags::NoFollowSymlink).at("utime", inside.path())
    }

    /// The directory that holds `inside`; made, with those above it, where the archive did not say.
    fn parent_of(&mut self, inside: &Inside) -> Result<BorrowedFd<'_>> {
        let path = inside.parent();
        if path.as_os_str().is_empty() {
            return Ok(self.folder.as_fd());
        }
        if self.parent.as_ref().is_none_or(|(known, _)| known != path) {
            let mut at: Option<OwnedFd> = None;
            for name in path {
                let above = at.as_ref().map_or(self.folder.as_fd(), OwnedFd::as_fd);
                let next = match open_directory(above, name) {
                    Err(Errno::ENOENT) => {
                        self.entries.spend(1)?;
                        make_directory(above, name).and_then(|()| open_directory(above, name))
                    }
                    opened => opened,
                };
                at = Some(next.at("open", path)?);
            }
            self.parent = at.map(|fd| (path.to_owned(), fd));
        }
        Ok(self.parent.as_ref().map_or(self.folder.as_fd(), |(_, fd)| fd.as_fd()))
    }
}

fn open_directory(above: BorrowedFd<'_>, name: &OsStr) -> nix::Result<OwnedFd> {
    openat(above, name, FOLDER | OFlag::O_NOFOLLOW, Mode::empty())
}

fn make_directory(parent: BorrowedFd<'_>, name: &OsStr) -> nix::Result<()> {
    let mode = Mode::from_bits_truncate(0o755);
    match mkdirat(parent, name, mode) {
        Err(Errno::EEXIST) if open_directory(parent, name).is_ok() => Ok(()),
        Err(Errno::EEXIST) => {
            unlinkat(parent, name, UnlinkatFlags::NoRemoveDir)?;
            mkdirat(parent, name, mode)
        }
        other => other,
    }
}

/// Makes something, in place of what has its name; of directories only an empty one gives way.
fn replacing<T>(parent: BorrowedFd<'_>, name: &OsStr, make: impl Fn() -> nix::Result<T>) -> nix::Result<T> {
    match make() {
        Err(Errno::EEXIST) => {
            match unlinkat(parent, name, UnlinkatFlags::NoRemoveDir) {
                Err(Errno::EISDIR) => match unlinkat(parent, name, UnlinkatFlags::RemoveDir) {
                    Err(Errno::ENOTEMPTY) => Err(Errno::EISDIR),
                    removed => removed,
                },
                removed => removed,
            }?;
            make()
        }
        other => other,
    }
}
