//! Directories and whole trees: making, removing, copying. Called by `call`.

use std::{
    fs::{self, File, Metadata, OpenOptions},
    io,
    os::unix::fs::{DirBuilderExt as _, MetadataExt as _, OpenOptionsExt as _, PermissionsExt as _, symlink},
    path::{Path, PathBuf},
};

use boxlite_proto::v1::FileRequest;
use bytes::Bytes;
use nix::{
    libc,
    sys::{stat::futimens, time::TimeSpec},
};

use super::fault::{Call as _, Outcome, Towards as _, bytes_of, fault};

/// Makes a directory. With `recursive` its parents too, and one that exists is no failure; answers the first that was made.
pub(super) fn make_directory(path: &Path, mode: u32, recursive: bool) -> Outcome<Option<Bytes>> {
    let mut builder = fs::DirBuilder::new();
    builder.mode(mode & 0o7777);
    if !recursive {
        return builder.create(path).call("mkdir", path).map(|()| None);
    }
    let mut missing: Vec<&Path> = Vec::new();
    for ancestor in path.ancestors().filter(|path| !path.as_os_str().is_empty()) {
        match fs::metadata(ancestor) {
            Ok(meta) if meta.is_dir() => break,
            Ok(_) if missing.is_empty() => return Err(fault(libc::EEXIST, "mkdir", path)),
            Ok(_) => return Err(fault(libc::ENOTDIR, "mkdir", path)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => missing.push(ancestor),
            Err(error) => return Err(error).call("mkdir", path),
        }
    }
    let first = missing.last().map(|path| bytes_of(path));
    for directory in missing.into_iter().rev() {
        match builder.create(directory) {
            // Somebody else was faster.
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists && directory.is_dir() => {}
            other => other.call("mkdir", path)?,
        }
    }
    Ok(first)
}

/// Removes a file, or with `recursive` a tree. With `force` nothing there is no failure.
pub(super) fn remove(path: &Path, recursive: bool, force: bool) -> Outcome<()> {
    let removed = fs::symlink_metadata(path).call("lstat", path).and_then(|meta| {
        if !meta.is_dir() {
            fs::remove_file(path).call("unlink", path)
        } else if recursive {
            fs::remove_dir_all(path).call("rm", path)
        } else {
            Err(fault(libc::EISDIR, "rm", path))
        }
    });
    match removed {
        Err(error) if force && error.errno == libc::ENOENT => Ok(()),
        removed => removed,
    }
}

/// Copies one file with its mode; `exclusive` fails where there is one already.
pub(super) fn copy_file(from: &Path, to: &Path, exclusive: bool, syscall: &str) -> Outcome<()> {
    let copied = || -> io::Result<()> {
        let mut source = OpenOptions::new().read(true).custom_flags(libc::O_NONBLOCK).open(from)?;
        let meta = source.metadata()?;
        if meta.is_dir() {
            return Err(io::Error::from_raw_os_error(libc::EISDIR));
        }
        let mut options = OpenOptions::new();
        options.write(true).create(!exclusive).create_new(exclusive);
        options.mode(meta.mode() & 0o7777).custom_flags(libc::O_NONBLOCK);
        let mut target = options.open(to)?;
        let present = target.metadata()?;
        if (present.dev(), present.ino()) == (meta.dev(), meta.ino()) {
            return Ok(());
        }
        if present.is_file() {
            target.set_len(0)?;
            target.set_permissions(fs::Permissions::from_mode(meta.mode() & 0o7777))?;
        }
        // copy_file_range(2), where the file systems can.
        io::copy(&mut source, &mut target).map(drop)
    };
    copied().call(syscall, from).towards(to)
}

/// How `cp` goes about it.
#[allow(clippy::struct_excessive_bools, reason = "the options of cp, each its own")]
#[derive(Debug, Clone, Copy)]
pub(super) struct Copying {
    recursive: bool,
    overwrite: bool,
    exclusive: bool,
    follow: bool,
    times: bool,
}

impl Copying {
    pub(super) fn of(request: &FileRequest) -> Self {
        Self {
            recursive: request.recursive,
            overwrite: request.force,
            exclusive: request.exclusive,
            follow: request.follow,
            times: request.preserve,
        }
    }

    /// Copies `from` to `to`; what is there already is merged into.
    pub(super) fn copy(self, from: &Path, to: &Path) -> Outcome<()> {
        let meta = self.metadata(from)?;
        if meta.is_dir() {
            if !self.recursive {
                return Err(fault(libc::EISDIR, "cp", from)).towards(to);
            }
            if lies_in(to, from) {
                return Err(fault(libc::EINVAL, "cp", from)).towards(to);
            }
        }
        if let Some(parent) = to.parent().filter(|parent| !parent.as_os_str().is_empty()) {
            make_directory(parent, 0o777, true)?;
        }
        self.add(from, to, &meta)
    }

    fn metadata(self, path: &Path) -> Outcome<Metadata> {
        if self.follow { fs::metadata(path) } else { fs::symlink_metadata(path) }.call("cp", path)
    }

    fn add(self, from: &Path, to: &Path, meta: &Metadata) -> Outcome<()> {
        let present = fs::symlink_metadata(to).ok();
        if meta.is_dir() {
            match present {
                Some(present) if !present.is_dir() => {
                    return Err(fault(libc::ENOTDIR, "cp", from)).towards(to);
                }
                Some(_) => {}
                None => fs::create_dir(to).call("cp", from).towards(to)?,
            }
            for entry in fs::read_dir(from).call("scandir", from)? {
                let from = entry.call("scandir", from)?.path();
                let to = to.join(from.file_name().unwrap_or_default());
                self.add(&from, &to, &self.metadata(&from)?)?;
            }
            let mode = fs::Permissions::from_mode(meta.mode() & 0o7777);
            fs::set_permissions(to, mode).call("chmod", to)?;
        } else {
            if present.as_ref().is_some_and(Metadata::is_dir) {
                return Err(fault(libc::EISDIR, "cp", from)).towards(to);
            }
            if present.is_some() && self.exclusive {
                return Err(fault(libc::EEXIST, "cp", from)).towards(to);
            }
            if present.is_some() && !self.overwrite {
                return Ok(());
            }
            if meta.is_symlink() {
                if present.is_some() {
                    fs::remove_file(to).call("unlink", to)?;
                }
                let target = fs::read_link(from).call("readlink", from)?;
                return symlink(target, to).call("symlink", from).towards(to);
            }
            if !meta.is_file() {
                return Err(fault(libc::EINVAL, "cp", from)).towards(to);
            }
            copy_file(from, to, false, "cp")?;
        }
        if self.times {
            let time = |seconds, rest| TimeSpec::new(seconds, rest);
            let (atime, mtime) =
                (time(meta.atime(), meta.atime_nsec()), time(meta.mtime(), meta.mtime_nsec()));
            let file = File::open(to).call("open", to)?;
            futimens(&file, &atime, &mtime).call("utime", to)?;
        }
        Ok(())
    }
}

/// Whether `path` is `folder` or below it, as far as it exists.
fn lies_in(path: &Path, folder: &Path) -> bool {
    let Ok(folder) = fs::canonicalize(folder) else { return false };
    let existing = path.ancestors().find_map(|path| {
        let path = if path.as_os_str().is_empty() { PathBuf::from(".") } else { path.to_owned() };
        fs::canonicalize(path).ok()
    });
    existing.is_some_and(|path| path.starts_with(folder))
}
