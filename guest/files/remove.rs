//! Removing a file or a tree. Called by `call`.
//!
//! Nothing recurses, and below the first folder no symlink is followed, even if it replaces a folder meanwhile.

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
/// How often other processes may add an entry to a folder that was empty.
const RETRIES: usize = 1000;

/// Removes a file, or with `recursive` a tree. With `force`, a path that does not exist is no failure.
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
    // A symlink with a slash behind it is the folder that it leads to, which has another name. As in Node, neither is removed.
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
    let mut removal = Removal { path, folders, waiting: vec![Vec::new()], count: 0, retries: RETRIES };
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
    /// For each folder on the way down, the names that were read and are still to be removed.
    waiting: Vec<Vec<OsString>>,
    /// The number of all of them.
    count: usize,
    /// How often another process may still add an entry.
    retries: usize,
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
            Err(Errno::ENOTDIR) => return self.retry(Errno::ENOTDIR, &name),
            Err(errno) => return Err(self.refused(errno, "rm", &name)),
        }
        match self.folders.enter(&name) {
            Ok(()) => {
                if self.count > WAITING {
                    // They are read again later.
                    let dropped = self.waiting.last_mut().map(std::mem::take).unwrap_or_default();
                    self.count -= dropped.len();
                }
                self.waiting.push(Vec::new());
                Ok(())
            }
            Err(Errno::ENOENT) => Ok(()),
            Err(errno @ (Errno::ENOTDIR | Errno::ELOOP)) => self.retry(errno, &name),
            Err(errno) => Err(self.refused(errno, "rm", &name)),
        }
    }

    /// Leaves the current folder, which is empty, and removes it.
    fn leave(&mut self) -> Outcome<()> {
        self.waiting.pop();
        let left = self.folders.leave().map_err(|errno| self.refused(errno, "rm", OsStr::new("")))?;
        let Some(name) = left else { return Ok(()) };
        match unlinkat(self.folders.here(), name.as_os_str(), UnlinkatFlags::RemoveDir) {
            Ok(()) | Err(Errno::ENOENT) => Ok(()),
            Err(errno @ (Errno::ENOTEMPTY | Errno::ENOTDIR)) => self.retry(errno, &name),
            Err(errno) => Err(self.refused(errno, "rm", &name)),
        }
    }

    /// Another process has added an entry, which is found when the folder is read again. That happens [`RETRIES`] times at most.
    fn retry(&mut self, errno: Errno, name: &OsStr) -> Outcome<()> {
        let left = self.retries.checked_sub(1);
        self.retries = left.ok_or_else(|| self.refused(errno, "rm", name))?;
        Ok(())
    }
}

/// The first names in the current folder.
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
