//! Goes through a tree and shows each thing in it to a [`Visit`]. Called by `pack` and `send`.
//!
//! Symlinks are shown as they are, never followed, also those that take a folder's place meanwhile. Devices, sockets and FIFOs are left
//! out and counted. Memory holds the folders on the way down and the names that are still to come, not paths.

use std::{
    ffi::{OsStr, OsString},
    fs::{File, Metadata},
    os::{
        fd::{BorrowedFd, OwnedFd},
        unix::ffi::OsStrExt as _,
    },
    path::{Path, PathBuf},
};

use nix::{
    dir::{Dir, Type},
    errno::Errno,
    fcntl::{AT_FDCWD, AtFlags, OFlag, openat, readlinkat},
    libc,
    sys::stat::{Mode, fstat, fstatat},
};

use crate::{Error, Folders, Meter, Result, error::At as _};

/// Most names of one folder that wait to be shown in order; further files are shown as they are found.
const ORDERED: usize = 1 << 16;
/// Most bytes of names that wait in all folders on the way down.
const WAITING: usize = 128 << 20;
/// What a name that waits takes besides its own bytes.
const NAME: usize = 40;

/// Whom a tree is shown to.
pub(crate) trait Visit {
    /// A folder, open; what is in it follows, then [`Visit::leave`].
    fn folder(&mut self, name: &OsStr, folder: &File, meta: &Metadata) -> Result<()>;
    /// The end of the last folder that was shown and has not ended.
    fn leave(&mut self) -> Result<()>;
    /// A file, open for reading; `shown` is its path for errors.
    fn file(&mut self, name: &OsStr, file: &File, meta: &Metadata, shown: &dyn Fn() -> PathBuf)
    -> Result<()>;
    /// A symlink and what it says.
    fn symlink(&mut self, name: &OsStr, meta: &Metadata, target: &OsStr) -> Result<()>;
}

/// Shows `source` and all below it. The first thing is shown under its own name.
pub(crate) fn walk(source: &Path, visitor: &mut impl Visit, meter: &Meter) -> Result<()> {
    let name = source.file_name().unwrap_or(OsStr::new("."));
    let first = openat(AT_FDCWD, source, OFlag::O_PATH | OFlag::O_NOFOLLOW | OFlag::O_CLOEXEC, Mode::empty());
    let kind = type_of(fstat(first.at("lstat", source)?).at("lstat", source)?.st_mode);
    if kind != Type::Directory {
        let at = Place { parent: AT_FDCWD, path: source.as_os_str(), name, shown: &|| source.to_owned() };
        return at.show(kind, visitor, meter);
    }
    let flags = OFlag::O_DIRECTORY | OFlag::O_NOFOLLOW | OFlag::O_CLOEXEC;
    let folder = openat(AT_FDCWD, source, flags, Mode::empty()).at("scandir", source)?;
    let folders = Folders::new(folder, OFlag::empty()).at("scandir", source)?;
    let mut walk = Walk { source, visitor, meter, folders, waiting: 0, names: Vec::new() };
    walk.folder(name)?;
    while let Some(names) = walk.names.last_mut() {
        if let Some((name, kind)) = names.pop() {
            walk.waiting -= NAME + name.len();
            walk.entry(&name, kind)?;
        } else {
            walk.names.pop();
            walk.visitor.leave()?;
            let left = walk.folders.leave();
            left.when("scandir", || walk.shown(OsStr::new("..")))?;
        }
    }
    Ok(())
}

struct Walk<'a, V> {
    source: &'a Path,
    visitor: &'a mut V,
    meter: &'a Meter,
    folders: Folders,
    /// Bytes of the names that are still to come.
    waiting: usize,
    /// Of each folder on the way down, what is still to come, the next one last.
    names: Vec<Vec<(OsString, Option<Type>)>>,
}

impl<V: Visit> Walk<'_, V> {
    fn shown(&self, name: &OsStr) -> PathBuf {
        self.folders.shown(self.source, name)
    }

    /// Shows what the folder at hand has under `name`, which was listed as `kind`.
    fn entry(&mut self, name: &OsStr, mut kind: Option<Type>) -> Result<()> {
        loop {
            let known = match kind {
                Some(kind) => kind,
                None => match fstatat(self.folders.here(), name, AtFlags::AT_SYMLINK_NOFOLLOW) {
                    Err(Errno::ENOENT) => return Ok(()),
                    stat => type_of(stat.when("lstat", || self.shown(name))?.st_mode),
                },
            };
            let done = if known == Type::Directory {
                match self.folders.enter(name) {
                    Ok(()) => return self.folder(name),
                    refused => refused.when("scandir", || self.shown(name)),
                }
            } else {
                let shown = || self.folders.shown(self.source, name);
                let at = Place { parent: self.folders.here(), path: name, name, shown: &shown };
                at.show(known, self.visitor, self.meter)
            };
            match done {
                // It went away between the listing and now.
                Err(Error::System { errno: Errno::ENOENT, .. }) => return Ok(()),
                // It became something else: whatever that is will be shown.
                Err(Error::System { errno: Errno::ENOTDIR | Errno::ELOOP | Errno::EINVAL, .. })
                    if kind.is_some() =>
                {
                    kind = None;
                }
                done => return done,
            }
        }
    }

    /// Shows the folder at hand, and lists it.
    fn folder(&mut self, name: &OsStr) -> Result<()> {
        let itself = OsStr::new("");
        let folder = self.folders.here().try_clone_to_owned().when("scandir", || self.shown(itself))?;
        let folder = File::from(folder);
        let meta = folder.metadata().when("fstat", || self.shown(itself))?;
        self.meter.entry();
        self.visitor.folder(name, &folder, &meta)?;
        let mut listing = Dir::from_fd(OwnedFd::from(folder)).when("scandir", || self.shown(itself))?;
        let mut names = Vec::new();
        for entry in listing.iter() {
            let entry = entry.when("scandir", || self.shown(itself))?;
            let name = OsStr::from_bytes(entry.file_name().to_bytes());
            if matches!(name.as_bytes(), b"." | b"..") {
                continue;
            }
            let kind = entry.file_type();
            if names.len() >= ORDERED && kind.is_some_and(|kind| kind != Type::Directory) {
                self.entry(name, kind)?;
                continue;
            }
            self.waiting += NAME + name.len();
            if self.waiting > WAITING {
                return Err(Errno::ENOMEM).when("scandir", || self.shown(itself));
            }
            names.push((name.to_owned(), kind));
        }
        names.sort_unstable_by(|one, other| other.0.cmp(&one.0));
        self.names.push(names);
        Ok(())
    }
}

/// Where something lies: in a folder that is held open, so that no symlink which a process puts in its or that folder's place
/// leads elsewhere.
#[derive(Clone, Copy)]
struct Place<'a> {
    parent: BorrowedFd<'a>,
    path: &'a OsStr,
    name: &'a OsStr,
    /// Its whole path, for errors.
    shown: &'a dyn Fn() -> PathBuf,
}

impl Place<'_> {
    fn open(self, flags: OFlag) -> nix::Result<OwnedFd> {
        openat(self.parent, self.path, flags | OFlag::O_NOFOLLOW | OFlag::O_CLOEXEC, Mode::empty())
    }

    /// Shows what is no folder.
    fn show(self, kind: Type, visitor: &mut impl Visit, meter: &Meter) -> Result<()> {
        match kind {
            Type::Symlink => {
                let link = File::from(self.open(OFlag::O_PATH).when("lstat", self.shown)?);
                let meta = link.metadata().when("lstat", self.shown)?;
                let target = readlinkat(&link, "").when("readlink", self.shown)?;
                meter.entry();
                visitor.symlink(self.name, &meta, &target)
            }
            Type::File => {
                // Without O_NONBLOCK, a FIFO that took the file's place would be waited for.
                let file = File::from(self.open(OFlag::O_NONBLOCK).when("open", self.shown)?);
                let meta = file.metadata().when("fstat", self.shown)?;
                if !meta.is_file() {
                    meter.skip(1);
                    return Ok(());
                }
                meter.entry();
                visitor.file(self.name, &file, &meta, self.shown)
            }
            _ => {
                meter.skip(1);
                Ok(())
            }
        }
    }
}

/// What a mode says; what is none of these is left out like a FIFO.
fn type_of(mode: u32) -> Type {
    match mode & libc::S_IFMT {
        libc::S_IFDIR => Type::Directory,
        libc::S_IFLNK => Type::Symlink,
        libc::S_IFREG => Type::File,
        _ => Type::Fifo,
    }
}
