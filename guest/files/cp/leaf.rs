//! Copying what is no folder: files and symlinks. Others are refused.
//!
//! Called by `walk` and `copy`.

use std::{
    ffi::OsStr,
    fs::File,
    io,
    path::{Path, PathBuf},
};

use boxlite_archive::Folders;
use boxlite_proto::v1::FileRefusal;
use nix::{
    errno::Errno,
    fcntl::{OFlag, openat, readlinkat},
    libc,
    sys::{
        stat::{FileStat, Mode, fchmod, fstat, futimens},
        time::TimeSpec,
    },
    unistd::{UnlinkatFlags, symlinkat, unlinkat},
};

use super::{
    pair::FolderPair,
    refusal::{exists, refusal},
};
use crate::files::{
    content::copy_content,
    fault::{Call as _, Outcome, Towards as _, fault},
    lexical::{is_below, resolved},
};

/// Longest path of the kernel's calls.
const PATH_MAX: usize = 4096;

impl FolderPair<'_> {
    /// Copies what is no folder: `name` of the source's folder becomes `last` of the target's.
    pub(super) fn copy_leaf(
        &self,
        name: &OsStr,
        last: &OsStr,
        meta: &FileStat,
        present: Option<&FileStat>,
    ) -> Outcome<()> {
        let (from, to) = (self.source_path(name), self.target_path(last));
        match meta.st_mode & libc::S_IFMT {
            libc::S_IFREG if present.is_some() && !self.request.force => {
                if self.request.exclusive {
                    Err(exists(&to))
                } else {
                    Ok(())
                }
            }
            libc::S_IFREG => {
                let copied = self.copy_file(name, last);
                copied.map_err(|errno| fault(errno as i32, "copyfile", &from)).towards(&to)
            }
            libc::S_IFLNK => self.copy_link(name, last, present),
            kind => {
                let (code, what) = match kind {
                    libc::S_IFSOCK => (FileRefusal::ErrFsCpSocket, "a socket file"),
                    libc::S_IFIFO => (FileRefusal::ErrFsCpFifoPipe, "a FIFO pipe"),
                    // Reading a device may never end.
                    _ => (FileRefusal::ErrFsCpUnknown, "an unknown file type"),
                };
                Err(refusal(code, libc::EINVAL, format!("cannot copy {what}: {}", to.display()), &to))
            }
        }
    }

    /// Copies a file. It replaces what is no folder, also a symlink, whose target is left alone.
    fn copy_file(&self, name: &OsStr, last: &OsStr) -> nix::Result<()> {
        let nofollow = if self.request.follow { OFlag::empty() } else { OFlag::O_NOFOLLOW };
        let flags = OFlag::O_CLOEXEC | OFlag::O_NONBLOCK;
        let source = File::from(openat(self.from.here(), name, flags | nofollow, Mode::empty())?);
        let meta = fstat(&source)?;
        let mode = Mode::from_bits_truncate(meta.st_mode & 0o7777);
        match unlinkat(self.to.here(), last, UnlinkatFlags::NoRemoveDir) {
            Ok(()) | Err(Errno::ENOENT) => {}
            Err(errno) => return Err(errno),
        }
        let flags = flags | OFlag::O_WRONLY | OFlag::O_CREAT | OFlag::O_EXCL | OFlag::O_NOFOLLOW;
        let target = File::from(openat(self.to.here(), last, flags, mode)?);
        let filled = copy_content(&source, &target).map_err(|error| raw(&error)).and_then(|()| {
            fchmod(&target, mode)?;
            if self.request.preserve {
                let (atime, mtime) = times(&fstat(&source)?);
                futimens(&target, &atime, &mtime)?;
            }
            Ok(())
        });
        if filled.is_err() {
            // A part of a file is removed.
            let _ = unlinkat(self.to.here(), last, UnlinkatFlags::NoRemoveDir);
        }
        filled
    }

    /// Copies a symlink. The copy leads to the same file as before, or has the same text if that is requested.
    fn copy_link(&self, name: &OsStr, last: &OsStr, present: Option<&FileStat>) -> Outcome<()> {
        let to = self.target_path(last);
        let written = self.checked(readlinkat(self.from.here(), name), "readlink", name)?;
        let written = Path::new(&written);
        let whole = |root: &Path, folders: &Folders, name: &OsStr| {
            let path = root.iter().chain(folders.names()).chain([name]).collect::<PathBuf>();
            // A longer path can't be the text of a symlink.
            let fits = path.as_os_str().len() < PATH_MAX;
            if fits { Ok(path) } else { Err(self.failed(Errno::ENAMETOOLONG, "symlink", name)) }
        };
        let as_written = self.request.verbatim || written.is_absolute();
        let leads = if as_written && present.is_none() {
            PathBuf::new()
        } else {
            resolved(&whole(&self.source, &self.from, name)?, written)
        };
        let target = if as_written { written } else { leads.as_path() };
        if present.is_some_and(|present| present.st_mode & libc::S_IFMT == libc::S_IFLNK) {
            let other = self.checked(readlinkat(self.to.here(), last), "readlink", name)?;
            let other = resolved(&whole(&self.target, &self.to, last)?, Path::new(&other));
            check_links(&leads, &other, &to)?;
            self.checked(unlinkat(self.to.here(), last, UnlinkatFlags::NoRemoveDir), "unlink", last)?;
        }
        // If anything else exists, this fails with EEXIST.
        symlinkat(target, self.to.here(), last).call("symlink", target).towards(&to)
    }
}

/// Refuses to replace a symlink to `other` by one to the folder `leads` if one of the two is in the other. `to` is where the
/// symlink is.
fn check_links(leads: &Path, other: &Path, to: &Path) -> Outcome<()> {
    if !leads.is_dir() || leads == other {
        return Ok(());
    }
    if is_below(leads, other) {
        let message =
            format!("cannot copy {} to a subdirectory of self {}", leads.display(), other.display());
        return Err(refusal(FileRefusal::ErrFsCpEinval, libc::EINVAL, message, to));
    }
    // What the source's symlink leads to would be removed with the other.
    if is_below(other, leads) {
        let message = format!("cannot overwrite {} with {}", other.display(), leads.display());
        return Err(refusal(FileRefusal::ErrFsCpSymlinkToSubdirectory, libc::EINVAL, message, to));
    }
    Ok(())
}

/// Access and modification time.
pub(super) fn times(meta: &FileStat) -> (TimeSpec, TimeSpec) {
    (TimeSpec::new(meta.st_atime, meta.st_atime_nsec), TimeSpec::new(meta.st_mtime, meta.st_mtime_nsec))
}

fn raw(error: &io::Error) -> Errno {
    Errno::from_raw(error.raw_os_error().unwrap_or(libc::EIO))
}
