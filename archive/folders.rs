//! `Folders`: the way from a folder down to the one at hand, however deep, with a bounded number of descriptors.
//!
//! Used by all that goes through a tree, here and in the guest's agent. Nothing recurses and no path is handed to the kernel, so neither
//! the stack nor `PATH_MAX` bounds the depth. The nearest folders stay open; one further up is opened again through `..` on the way
//! back, and must be the very folder that was left: one that was moved meanwhile is `ESTALE`, never a way out of the tree.

use std::{
    ffi::{OsStr, OsString},
    os::fd::{AsFd as _, BorrowedFd, OwnedFd},
    path::{Path, PathBuf},
};

use nix::{
    errno::Errno,
    fcntl::{OFlag, openat},
    sys::stat::{Mode, fstat},
};

/// Most folders that are open at a time, those that have to stay open aside.
const OPEN: usize = 48;
/// Most folders that have to stay open: no `..` leads back to them.
const PINNED: usize = 64;
/// Most levels below the first folder.
const DEEPEST: usize = 1 << 17;
/// Bytes of a path that an error shows.
const SHOWN: usize = 4096;

/// See the module.
#[derive(Debug)]
pub struct Folders {
    /// How folders are opened, besides `O_DIRECTORY` and `O_CLOEXEC`.
    flags: OFlag,
    above: Vec<Above>,
    pinned: usize,
    here: OwnedFd,
    identity: Identity,
    name: OsString,
}

/// Device and inode.
type Identity = (u64, u64);

#[derive(Debug)]
struct Above {
    /// Its own name; of the first folder empty.
    name: OsString,
    identity: Identity,
    folder: Option<OwnedFd>,
    /// What is below it was reached through a symlink.
    pinned: bool,
}

impl Folders {
    /// Begins at `folder`. Those below are opened with `flags`: `O_PATH`, or none to list them.
    ///
    /// # Errors
    /// `folder` can't be examined.
    pub fn new(folder: OwnedFd, flags: OFlag) -> nix::Result<Self> {
        let identity = identity_of(&folder)?;
        let flags = flags | OFlag::O_DIRECTORY | OFlag::O_CLOEXEC;
        Ok(Self { flags, above: Vec::new(), pinned: 0, here: folder, identity, name: OsString::new() })
    }

    /// The folder at hand.
    pub fn here(&self) -> BorrowedFd<'_> {
        self.here.as_fd()
    }

    /// The first folder.
    pub fn root(&self) -> BorrowedFd<'_> {
        self.above.first().and_then(|first| first.folder.as_ref()).unwrap_or(&self.here).as_fd()
    }

    /// How many folders are above the one at hand.
    pub fn depth(&self) -> usize {
        self.above.len()
    }

    /// Whether the folder with this device and inode is at hand or above.
    pub fn holds(&self, identity: (u64, u64)) -> bool {
        self.identity == identity || self.above.iter().any(|above| above.identity == identity)
    }

    /// Device and inode of the folder at hand.
    pub fn identity(&self) -> (u64, u64) {
        self.identity
    }

    /// Goes into the folder `name`, which is no symlink.
    ///
    /// # Errors
    /// There is no such folder, `name` is a symlink, or the tree is too deep (`ENAMETOOLONG`).
    pub fn enter(&mut self, name: &OsStr) -> nix::Result<()> {
        let folder = openat(&self.here, name, self.flags | OFlag::O_NOFOLLOW, Mode::empty())?;
        self.push(name, folder, false)
    }

    /// Goes into `folder`, which was reached through a symlink called `name`: no `..` leads back, so that the folder at hand stays open.
    ///
    /// # Errors
    /// Too many folders were reached through symlinks (`ELOOP`), or the tree is too deep (`ENAMETOOLONG`).
    pub fn enter_linked(&mut self, name: &OsStr, folder: OwnedFd) -> nix::Result<()> {
        if self.pinned == PINNED {
            return Err(Errno::ELOOP);
        }
        self.push(name, folder, true)
    }

    fn push(&mut self, name: &OsStr, folder: OwnedFd, pinned: bool) -> nix::Result<()> {
        if self.above.len() == DEEPEST {
            return Err(Errno::ENAMETOOLONG);
        }
        let identity = identity_of(&folder)?;
        self.pinned += usize::from(pinned);
        self.above.push(Above {
            name: std::mem::replace(&mut self.name, name.to_owned()),
            identity: std::mem::replace(&mut self.identity, identity),
            folder: Some(std::mem::replace(&mut self.here, folder)),
            pinned,
        });
        // The first folder stays open.
        if let Some(far) = self.above.len().checked_sub(OPEN).filter(|far| *far > 0)
            && !self.above[far].pinned
        {
            self.above[far].folder = None;
        }
        Ok(())
    }

    /// Goes back up. Returns the name of the folder that was left, or `None` at the first one.
    ///
    /// # Errors
    /// The folder above was moved meanwhile (`ESTALE`), or can't be opened.
    pub fn leave(&mut self) -> nix::Result<Option<OsString>> {
        let Some(above) = self.above.last_mut() else { return Ok(None) };
        let folder = if let Some(folder) = above.folder.take() {
            folder
        } else {
            let folder = openat(&self.here, "..", self.flags, Mode::empty())?;
            if identity_of(&folder)? != above.identity {
                return Err(Errno::ESTALE);
            }
            folder
        };
        self.pinned -= usize::from(above.pinned);
        self.here = folder;
        self.identity = above.identity;
        let name = std::mem::take(&mut above.name);
        self.above.pop();
        Ok(Some(std::mem::replace(&mut self.name, name)))
    }

    /// The names from the first folder to the one at hand.
    pub fn names(&self) -> impl Iterator<Item = &OsStr> {
        let above = self.above.iter().skip(1).map(|above| above.name.as_os_str());
        above.chain((!self.above.is_empty()).then_some(self.name.as_os_str()))
    }

    /// `name` in the folder at hand as a path that begins with `root`, for errors: of very long ones only the beginning.
    pub fn shown(&self, root: &Path, name: &OsStr) -> PathBuf {
        let mut path = root.to_owned();
        for part in self.names().chain([name]).filter(|part| !part.is_empty()) {
            if path.as_os_str().len() + part.len() > SHOWN {
                path.push("…");
                break;
            }
            path.push(part);
        }
        path
    }
}

fn identity_of(folder: &OwnedFd) -> nix::Result<Identity> {
    let stat = fstat(folder)?;
    Ok((stat.st_dev, stat.st_ino))
}
