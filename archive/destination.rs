//! `Destination`: the folder that a tree is made in. Used by `receive` and `unpack`.
//!
//! One name at a time, from the descriptor of the folder at hand. What exists stays what it is: a folder is merged into and keeps its
//! mode, a file gives way to a file and a symlink to a symlink, and anything else is `EEXIST` unless the rules say otherwise. A symlink to
//! a folder, where a folder comes, is gone through if that folder lies beneath the destination: of a hostile guest nothing else may be
//! touched, and in a box the agent is root and must not be led by symlinks of others.

use std::{
    ffi::OsStr,
    fs::File,
    os::fd::{AsFd as _, BorrowedFd, OwnedFd},
    path::{Path, PathBuf},
};

use nix::{
    errno::Errno,
    fcntl::{AT_FDCWD, AtFlags, OFlag, OpenHow, ResolveFlag, open, openat, openat2},
    libc,
    sys::{
        stat::{
            FchmodatFlags, Mode, UtimensatFlags, fchmod, fchmodat, fstat, fstatat, futimens, mkdirat,
            utimensat,
        },
        time::TimeSpec,
    },
    unistd::{Gid, Uid, UnlinkatFlags, fchown, fchownat, linkat, symlinkat, unlinkat},
};
use xattr::FileExt as _;

use crate::{Folders, Meter, Result, allowance::Allowance, error::At as _, record::Meta};

const FOLDER: OFlag = OFlag::O_PATH.union(OFlag::O_DIRECTORY).union(OFlag::O_CLOEXEC);
/// The mode of what is new until it is complete.
const PRIVATE: Mode = Mode::S_IRWXU;

/// The owner of the copy.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Owner {
    /// The user of this process.
    #[default]
    Caller,
    /// The users and groups that the stream names by number.
    Named,
    /// This user and group.
    Of(u32, u32),
}

/// What of a tree is kept, and how much of it.
#[derive(Debug, Clone, Copy, Default)]
pub struct Rules {
    /// See [`Owner`].
    pub owner: Owner,
    /// Keep the setuid, setgid and sticky bits. Default: they are dropped.
    pub special_bits: bool,
    /// Replace what has the same name and another type, a folder only if it is empty. Default: that is an error.
    pub replace: bool,
    /// Most bytes of file contents, holes included, and of extended attributes. Default: any number.
    pub max_bytes: Option<u64>,
    /// Most files, folders and links, the folders that a tar archive takes for granted included. Default: any number.
    pub max_entries: Option<u64>,
}

/// See the module.
#[derive(Debug)]
pub(crate) struct Destination<'a> {
    pub(crate) folders: Folders,
    path: PathBuf,
    rules: Rules,
    entries: Allowance,
    contents: Allowance,
    pub(crate) meter: &'a Meter,
}

impl<'a> Destination<'a> {
    /// `folder` is the caller's own choice: symlinks in it are followed.
    pub(crate) fn open(folder: &Path, rules: Rules, meter: &'a Meter) -> Result<Self> {
        let root = open(folder, FOLDER, Mode::empty()).at("open", folder)?;
        let folders = Folders::new(root, OFlag::O_PATH).at("open", folder)?;
        let entries = Allowance::new("entries", rules.max_entries);
        let contents = Allowance::new("bytes", rules.max_bytes);
        Ok(Self { folders, path: folder.to_owned(), rules, entries, contents, meter })
    }

    pub(crate) fn shown(&self, name: &OsStr) -> PathBuf {
        self.folders.shown(&self.path, name)
    }

    /// Allows for one thing more, before anything of it is there.
    pub(crate) fn spend(&mut self) -> Result<()> {
        self.entries.spend(1)
    }

    /// Allows for so many bytes of contents and attributes, before they are there.
    pub(crate) fn spend_bytes(&mut self, bytes: u64) -> Result<()> {
        self.contents.spend(bytes)
    }

    /// Goes into the folder `name`, and returns whether it was made for that.
    pub(crate) fn enter(&mut self, name: &OsStr) -> Result<bool> {
        let entered = self.try_enter(name);
        entered.when("mkdir", || self.shown(name))
    }

    fn try_enter(&mut self, name: &OsStr) -> nix::Result<bool> {
        match mkdirat(self.folders.here(), name, PRIVATE) {
            Ok(()) => return self.folders.enter(name).map(|()| true),
            Err(Errno::EEXIST) => {}
            Err(errno) => return Err(errno),
        }
        match self.folders.enter(name) {
            Err(Errno::ENOTDIR | Errno::ELOOP) => {}
            entered => return entered.map(|()| false),
        }
        match self.through(self.folders.here(), name) {
            Ok(folder) => self.folders.enter_linked(name, folder).map(|()| false),
            Err(_) if self.rules.replace => {
                self.make_way(name)?;
                mkdirat(self.folders.here(), name, PRIVATE)?;
                self.folders.enter(name).map(|()| true)
            }
            Err(_) => Err(Errno::EEXIST),
        }
    }

    /// The folder behind the symlink `name` in `parent`, if it is beneath the destination. `RESOLVE_BENEATH` can't decide that, since
    /// it starts at `parent` and refuses every absolute target; on a kernel without openat2 (before 5.6) such a symlink is an error.
    fn through(&self, parent: BorrowedFd<'_>, name: &OsStr) -> nix::Result<OwnedFd> {
        let how = OpenHow::new().flags(FOLDER).resolve(ResolveFlag::RESOLVE_NO_MAGICLINKS);
        let folder = openat2(parent, name, how)?;
        let identity = |folder: BorrowedFd<'_>| fstat(folder).map(|stat| (stat.st_dev, stat.st_ino));
        let root = identity(self.folders.root())?;
        let mut at = openat(&folder, ".", FOLDER, Mode::empty())?;
        let mut here = identity(at.as_fd())?;
        while here != root {
            at = openat(&at, "..", FOLDER, Mode::empty())?;
            let above = identity(at.as_fd())?;
            if above == here {
                return Err(Errno::EXDEV);
            }
            here = above;
        }
        Ok(folder)
    }

    /// The folder that the names lead to from the root.
    pub(crate) fn find<'n>(&self, names: impl Iterator<Item = &'n OsStr>) -> nix::Result<OwnedFd> {
        let mut at = openat(self.folders.root(), ".", FOLDER, Mode::empty())?;
        for name in names {
            at = match openat(&at, name, FOLDER | OFlag::O_NOFOLLOW, Mode::empty()) {
                Err(Errno::ENOTDIR | Errno::ELOOP) => self.through(at.as_fd(), name)?,
                opened => opened?,
            };
        }
        Ok(at)
    }

    /// Leaves the folder at hand.
    pub(crate) fn leave(&mut self) -> Result<()> {
        let left = self.folders.leave();
        left.map(drop).when("open", || self.shown(OsStr::new("..")))
    }

    /// Makes a new empty file, for writing.
    pub(crate) fn file(&mut self, name: &OsStr) -> Result<File> {
        let flags = OFlag::O_WRONLY | OFlag::O_CREAT | OFlag::O_EXCL | OFlag::O_NOFOLLOW | OFlag::O_CLOEXEC;
        let private = Mode::S_IRUSR | Mode::S_IWUSR;
        let made = self.new_at(name, libc::S_IFREG, |parent| openat(parent, name, flags, private));
        let made = match made {
            // Something is mounted on it, as on the box's own `/etc/hosts`, so it is written where it is.
            Err(Errno::EBUSY) => {
                let flags = OFlag::O_WRONLY | OFlag::O_TRUNC | OFlag::O_NOFOLLOW | OFlag::O_CLOEXEC;
                openat(self.folders.here(), name, flags | OFlag::O_NONBLOCK, Mode::empty())
            }
            made => made,
        };
        made.map(File::from).when("open", || self.shown(name))
    }

    pub(crate) fn symlink(&mut self, name: &OsStr, target: &OsStr) -> Result<()> {
        let made = self.new_at(name, libc::S_IFLNK, |parent| symlinkat(target, parent, name));
        made.when("symlink", || self.shown(name))
    }

    /// Gives the file `existing` in the folder `from` one more name.
    pub(crate) fn link(&mut self, name: &OsStr, from: BorrowedFd<'_>, existing: &OsStr) -> Result<()> {
        // Without AT_SYMLINK_FOLLOW a symlink gets the name, not what it leads to.
        let made =
            self.new_at(name, libc::S_IFREG, |parent| linkat(from, existing, parent, name, AtFlags::empty()));
        made.when("link", || self.shown(name))
    }

    /// Makes something under `name`, where what has that name gives way if it is of the same `kind`.
    fn new_at<T>(
        &self,
        name: &OsStr,
        kind: libc::mode_t,
        make: impl Fn(BorrowedFd<'_>) -> nix::Result<T>,
    ) -> nix::Result<T> {
        let parent = self.folders.here();
        match make(parent) {
            Err(Errno::EEXIST) => {
                let there = fstatat(parent, name, AtFlags::AT_SYMLINK_NOFOLLOW)?.st_mode & libc::S_IFMT;
                if there == kind {
                    unlinkat(parent, name, UnlinkatFlags::NoRemoveDir)?;
                } else if self.rules.replace {
                    self.make_way(name)?;
                } else if there == libc::S_IFDIR {
                    return Err(Errno::EISDIR);
                } else {
                    return Err(Errno::EEXIST);
                }
                make(parent)
            }
            done => done,
        }
    }

    /// Removes `name`; of folders only an empty one.
    fn make_way(&self, name: &OsStr) -> nix::Result<()> {
        let parent = self.folders.here();
        match unlinkat(parent, name, UnlinkatFlags::NoRemoveDir) {
            Err(Errno::EISDIR) => match unlinkat(parent, name, UnlinkatFlags::RemoveDir) {
                Err(Errno::ENOTEMPTY) => Err(Errno::EISDIR),
                removed => removed,
            },
            removed => removed,
        }
    }

    /// Gives a file the metadata `meta`. In this order: a new owner takes capabilities and setuid bits away.
    pub(crate) fn describe_file(&self, file: &File, name: &OsStr, meta: &Meta) -> Result<()> {
        let shown = || self.shown(name);
        if let Some((uid, gid)) = self.owner(meta) {
            fchown(file, uid, gid).when("fchown", shown)?;
        }
        fchmod(file, self.mode(meta)).when("fchmod", shown)?;
        for (name, value) in &meta.attributes {
            file.set_xattr(name, value).when("setxattr", shown)?;
        }
        let time = time(meta);
        futimens(file, &time, &time).when("futime", shown)
    }

    /// Gives the folder at hand the metadata `meta`; nothing can be made in it afterwards.
    pub(crate) fn describe_here(&self, meta: &Meta) -> Result<()> {
        let (here, itself) = (self.folders.here(), OsStr::new(""));
        let shown = || self.shown(itself);
        if let Some((uid, gid)) = self.owner(meta) {
            fchownat(here, itself, uid, gid, AtFlags::AT_EMPTY_PATH).when("chown", shown)?;
        }
        if !meta.attributes.is_empty() {
            let flags = OFlag::O_RDONLY | OFlag::O_DIRECTORY | OFlag::O_CLOEXEC;
            let folder = File::from(openat(here, ".", flags, Mode::empty()).when("open", shown)?);
            for (name, value) in &meta.attributes {
                folder.set_xattr(name, value).when("setxattr", shown)?;
            }
        }
        let time = time(meta);
        utimensat(here, ".", &time, &time, UtimensatFlags::NoFollowSymlink).when("utime", shown)?;
        // This comes last: without the right to search the folder, nothing in it can be named, not even itself.
        fchmodat(here, ".", self.mode(meta), FchmodatFlags::FollowSymlink).when("chmod", shown)
    }

    /// Opens the folder at hand, which the archive doesn't describe, to other users.
    pub(crate) fn open_to_others(&self) -> Result<()> {
        let (here, itself) = (self.folders.here(), OsStr::new(""));
        let shown = || self.shown(itself);
        if let Owner::Of(uid, gid) = self.rules.owner {
            let (uid, gid) = (Some(Uid::from_raw(uid)), Some(Gid::from_raw(gid)));
            fchownat(here, itself, uid, gid, AtFlags::AT_EMPTY_PATH).when("chown", shown)?;
        }
        let mode = Mode::from_bits_truncate(0o755);
        fchmodat(here, ".", mode, FchmodatFlags::FollowSymlink).when("chmod", shown)
    }

    /// Gives the symlink `name` the owner and time of `meta`.
    pub(crate) fn describe_link(&self, name: &OsStr, meta: &Meta) -> Result<()> {
        let (here, shown) = (self.folders.here(), || self.shown(name));
        if let Some((uid, gid)) = self.owner(meta) {
            fchownat(here, name, uid, gid, AtFlags::AT_SYMLINK_NOFOLLOW).when("chown", shown)?;
        }
        let time = time(meta);
        utimensat(here, name, &time, &time, UtimensatFlags::NoFollowSymlink).when("utime", shown)
    }

    fn owner(&self, meta: &Meta) -> Option<(Option<Uid>, Option<Gid>)> {
        let (uid, gid) = match self.rules.owner {
            Owner::Caller => return None,
            Owner::Named => (meta.uid, meta.gid),
            Owner::Of(uid, gid) => (uid, gid),
        };
        Some((Some(Uid::from_raw(uid)), Some(Gid::from_raw(gid))))
    }

    fn mode(&self, meta: &Meta) -> Mode {
        Mode::from_bits_truncate(meta.mode & if self.rules.special_bits { 0o7777 } else { 0o777 })
    }
}

/// Makes the folder `path`, with its parents, if it is missing, and returns whether it was.
pub(crate) fn make_folder(path: &Path) -> Result<bool> {
    let parent = path.parent().filter(|parent| !parent.as_os_str().is_empty());
    if path.is_dir() {
        return Ok(false);
    }
    if let Some(parent) = parent {
        std::fs::create_dir_all(parent).at("mkdir", parent)?;
    }
    match mkdirat(AT_FDCWD, path, PRIVATE) {
        // Another process was faster.
        Err(Errno::EEXIST) if path.is_dir() => Ok(false),
        made => made.map(|()| true).at("mkdir", path),
    }
}

fn time(meta: &Meta) -> TimeSpec {
    TimeSpec::new(meta.mtime.0, meta.mtime.1.into())
}
