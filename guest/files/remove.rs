//! Removing a file or a tree. Called by `call`.
//!
//! Nothing recurses, and below the first folder no symlink is followed, also none that takes a folder's place meanwhile.

use std::{
    ffi::{OsStr, OsString},
    fs,
    os::unix::ffi::OsStrExt as _,
    path::Path,
};

use boxlite_archive::Folders;
use boxlite_proto::v1::FileError;
use nix::{
    dir::Dir,
    errno::Errno,
    fcntl::{OFlag, open},
    libc,
    sys::stat::Mode,
    unistd::{UnlinkatFlags, unlinkat},
};

use super::fault::{Call as _, Outcome, fault};

/// Most names of one folder that are read before they are removed.
const BATCH: usize = 4096;
/// Most names that wait while deeper folders are removed.
const WAITING: usize = 1 << 18;
/// How often others may put something in the way.
const PATIENCE: usize = 1000;

/// Removes a file, or with `recursive` a tree. With `force` nothing there is no failure.
pub(super) fn remove(path: &Path, recursive: bool, force: bool) -> Outcome<()> {
    let removed = fs::symlink_metadata(path).call("lstat", path).and_then(|meta| {
        if !meta.is_dir() {
            fs::remove_file(path).call("unlink", path)
        } else if recursive {
            remove_tree(path)
        } else {
            Err(fault(libc::EISDIR, "rm", path))
        }
    });
    match removed {
        Err(error) if force && error.errno == libc::ENOENT => Ok(()),
        removed => removed,
    }
}

fn remove_tree(path: &Path) -> Outcome<()> {
    // A symlink with a slash behind it is the folder that it leads to, which has another name: as in Node, neither is removed.
    if is_linked(path) {
        return Ok(());
    }
    match fs::remove_dir(path) {
        Err(error) if error.raw_os_error() == Some(libc::ENOTEMPTY) => {}
        removed => return removed.call("rm", path),
    }
    let flags = OFlag::O_DIRECTORY | OFlag::O_NOFOLLOW | OFlag::O_CLOEXEC;
    let root = open(path, flags, Mode::empty()).call("rm", path)?;
    let folders = Folders::new(root, OFlag::empty()).call("rm", path)?;
    let mut removal = Removal { path, folders, waiting: vec![Vec::new()], count: 0, patience: PATIENCE };
    while !removal.waiting.is_empty() {
        removal.step()?;
    }
    fs::remove_dir(path).call("rm", path)
}

fn is_linked(path: &Path) -> bool {
    let mut plain = path.as_os_str().as_bytes();
    while let [rest @ .., b'/'] = plain {
        plain = rest;
    }
    let is_symlink = |path: &Path| fs::symlink_metadata(path).is_ok_and(|meta| meta.is_symlink());
    plain.len() < path.as_os_str().len() && is_symlink(Path::new(OsStr::from_bytes(plain)))
}

/// A tree that is being removed, from the inside out.
struct Removal<'a> {
    path: &'a Path,
    folders: Folders,
    /// Of each folder on the way down, the names that were read and not looked at yet.
    waiting: Vec<Vec<OsString>>,
    /// Of all of these together.
    count: usize,
    /// How often somebody may still put something in the way.
    patience: usize,
}

impl Removal<'_> {
    fn refused(&self, errno: Errno, syscall: &str, name: &OsStr) -> FileError {
        fault(errno as i32, syscall, &self.folders.shown(self.path, name))
    }

    fn step(&mut self) -> Outcome<()> {
        let Some(name) = self.waiting.last_mut().and_then(Vec::pop) else {
            let found = names_in(&self.folders);
            let found = found.map_err(|errno| self.refused(errno, "scandir", OsStr::new("")))?;
            if found.is_empty() {
                return self.leave();
            }
            self.count += found.len();
            if let Some(names) = self.waiting.last_mut() {
                *names = found;
            }
            return Ok(());
        };
        self.count -= 1;
        match unlinkat(self.folders.here(), name.as_os_str(), UnlinkatFlags::NoRemoveDir) {
            Ok(()) | Err(Errno::ENOENT) => return Ok(()),
            Err(Errno::EISDIR) => {}
            Err(errno) => return Err(self.refused(errno, "unlink", &name)),
        }
        match unlinkat(self.folders.here(), name.as_os_str(), UnlinkatFlags::RemoveDir) {
            Ok(()) | Err(Errno::ENOENT) => return Ok(()),
            Err(Errno::ENOTEMPTY) => {}
            Err(Errno::ENOTDIR) => return self.again(Errno::ENOTDIR, &name),
            Err(errno) => return Err(self.refused(errno, "rm", &name)),
        }
        match self.folders.enter(&name) {
            Ok(()) => {
                if self.count > WAITING {
                    // They are read again.
                    let dropped = self.waiting.last_mut().map(std::mem::take).unwrap_or_default();
                    self.count -= dropped.len();
                }
                self.waiting.push(Vec::new());
                Ok(())
            }
            Err(Errno::ENOENT) => Ok(()),
            Err(errno @ (Errno::ENOTDIR | Errno::ELOOP)) => self.again(errno, &name),
            Err(errno) => Err(self.refused(errno, "rm", &name)),
        }
    }

    /// The folder at hand is empty.
    fn leave(&mut self) -> Outcome<()> {
        self.waiting.pop();
        let left = self.folders.leave().map_err(|errno| self.refused(errno, "rm", OsStr::new("")))?;
        let Some(name) = left else { return Ok(()) };
        match unlinkat(self.folders.here(), name.as_os_str(), UnlinkatFlags::RemoveDir) {
            Ok(()) | Err(Errno::ENOENT) => Ok(()),
            Err(errno @ (Errno::ENOTEMPTY | Errno::ENOTDIR)) => self.again(errno, &name),
            Err(errno) => Err(self.refused(errno, "rm", &name)),
        }
    }

    /// Somebody has put something where it was not: it is found when the folder is read again, but not for ever.
    fn again(&mut self, errno: Errno, name: &OsStr) -> Outcome<()> {
        let left = self.patience.checked_sub(1);
        self.patience = left.ok_or_else(|| self.refused(errno, "rm", name))?;
        Ok(())
    }
}

/// The first names in the folder at hand.
fn names_in(folders: &Folders) -> nix::Result<Vec<OsString>> {
    let flags = OFlag::O_DIRECTORY | OFlag::O_CLOEXEC;
    let mut names = Vec::new();
    for entry in Dir::openat(folders.here(), ".", flags, Mode::empty())?.iter() {
        let entry = entry?;
        let name = entry.file_name().to_bytes();
        if matches!(name, b"." | b"..") {
            continue;
        }
        names.push(OsStr::from_bytes(name).to_owned());
        if names.len() == BATCH {
            break;
        }
    }
    Ok(names)
}
