//! One request of `cp`: a path, or some entries of a folder.
//!
//! Called by the parent's `call`; calls `walk` for folders and `leaf` for other paths.

use std::{ffi::OsStr, fs, os::unix::ffi::OsStrExt as _, path::Path};

use boxlite_proto::v1::{FileRefusal, FileRequest};
use nix::{
    fcntl::{AT_FDCWD, AtFlags},
    libc,
    sys::stat::{FileStat, Mode, fstatat, mkdirat},
};

use super::{
    pair::FolderPair,
    refusal::{check_kinds, exists, is_folder, refusal},
    status::{flags, present},
    walk::Walk,
};
use crate::files::{
    fault::{Call as _, Outcome, Towards as _, fault},
    lexical::{absolute, is_below},
    path::path_of,
    tree::make_directory,
};

/// A bit of `mode`, as in Node's `COPYFILE_FICLONE_FORCE`.
const FICLONE_FORCE: u32 = 4;

/// Copies `request.path` to `request.to`, or only the entries `names` of the folder `path`. With `shallow` a folder is made and not
/// filled. Returns a byte for each entry that was requested, which is 1 if it is a folder that is to be filled.
pub(in crate::files) fn copy(request: &FileRequest) -> Outcome<Vec<u8>> {
    let (from, to) = (path_of(&request.path), path_of(&request.to));
    if request.mode & FICLONE_FORCE != 0 {
        // The box's file systems share no blocks.
        return Err(fault(libc::ENOTSUP, "copyfile", from)).towards(to);
    }
    if request.names.is_empty() {
        return Ok(vec![u8::from(copy_path(request, from, to)?)]);
    }
    let mut folders = Vec::with_capacity(request.names.len());
    let mut walk = Walk::open(request, from, to)?;
    let mut folder_of = |name: &OsStr| -> Outcome<bool> {
        let Some(made) = walk.entry(name)? else { return Ok(false) };
        walk.end(made)?;
        walk.pair.leave().map(|()| true)
    };
    for name in &request.names {
        let name = OsStr::from_bytes(name);
        let plain = !name.is_empty() && !name.as_bytes().contains(&b'/') && name != "." && name != "..";
        if !plain {
            return Err(fault(libc::EINVAL, "cp", Path::new(name)));
        }
        folders.push(u8::from(folder_of(name)?));
    }
    Ok(folders)
}

/// Copies all of `from`. Returns whether it is a folder.
fn copy_path(request: &FileRequest, from: &Path, to: &Path) -> Outcome<bool> {
    let (source, target) = (absolute(from).call("cp", from)?, absolute(to).call("cp", to)?);
    let meta = fstatat(AT_FDCWD, from, flags(request)).call("cp", from).towards(to)?;
    let present = present(request, AT_FDCWD, to.as_os_str()).call("cp", from).towards(to)?;
    check_kinds(&meta, present.as_ref(), from, to)?;
    if is_folder(&meta) {
        if is_below(&source, &target) || leads_into(&meta, &source, &target) {
            let message =
                format!("cannot copy {} to a subdirectory of self {}", from.display(), to.display());
            return Err(refusal(FileRefusal::ErrFsCpEinval, libc::EINVAL, message, to));
        }
        if !request.recursive {
            let message = format!("{} is a directory (not copied)", from.display());
            return Err(refusal(FileRefusal::ErrFsEisdir, libc::EISDIR, message, from));
        }
    }
    if let Some(parent) = target.parent() {
        make_directory(parent, 0o777, true)?;
    }
    if is_folder(&meta) {
        return copy_folder(request, from, to, present.is_none());
    }
    let (Some(name), Some(last)) = (source.file_name(), target.file_name()) else {
        return Err(fault(libc::EINVAL, "cp", from)).towards(to);
    };
    let above = |path: &Path| path.parent().unwrap_or(Path::new("/")).to_owned();
    let pair = FolderPair::open(request, &above(&source), &above(&target))?;
    pair.copy_leaf(name, last, &meta, present.as_ref()).map(|()| false)
}

/// Copies a folder and all that is in it.
fn copy_folder(request: &FileRequest, from: &Path, to: &Path, missing: bool) -> Outcome<bool> {
    if missing {
        mkdirat(AT_FDCWD, to, Mode::from_bits_truncate(0o777)).call("mkdir", from).towards(to)?;
    } else if request.exclusive {
        return Err(exists(to));
    }
    let mut walk = Walk::open(request, from, to)?;
    if request.shallow {
        walk.end(missing)?;
    } else {
        walk.fill(missing)?;
    }
    Ok(true)
}

/// Whether the part of `target` that exists is in the folder `source`, also through symlinks.
fn leads_into(meta: &FileStat, source: &Path, target: &Path) -> bool {
    let inside = |path: &Path| {
        fs::canonicalize(source)
            .is_ok_and(|source| fs::canonicalize(path).is_ok_and(|path| path.starts_with(source)))
    };
    let is_source = |path: &&Path| {
        fstatat(AT_FDCWD, *path, AtFlags::empty())
            .is_ok_and(|stat| (stat.st_dev, stat.st_ino) == (meta.st_dev, meta.st_ino))
    };
    let existing = target.ancestors().find(|path| path.exists());
    existing.is_some_and(inside) || target.ancestors().skip(1).any(|path| is_source(&path))
}
