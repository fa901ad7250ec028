//! Attributes of a file: status, mode, owner, times, length. Called by `call`, with a path or an open file.

use std::{
    fs::{self, File, Metadata, OpenOptions},
    os::unix::fs::{MetadataExt as _, OpenOptionsExt as _, PermissionsExt as _, chown, fchown, lchown},
    path::Path,
    sync::Arc,
    time::UNIX_EPOCH,
};

use boxlite_proto::v1::FileStat;
use nix::{
    fcntl::AT_FDCWD,
    libc,
    sys::{
        stat::{UtimensatFlags, futimens, utimensat},
        time::TimeSpec,
    },
};

use super::fault::{Call as _, Outcome};

/// The file that an operation is about.
pub(super) enum Subject<'a> {
    Open(Arc<File>),
    At(&'a Path),
}

/// The id that leaves a user or a group as it is.
const UNCHANGED: u32 = u32::MAX;
/// The path of a failure on an open file.
const NOWHERE: &str = "";

pub(super) fn stat(subject: &Subject, follow: bool) -> Outcome<FileStat> {
    let meta = match subject {
        Subject::Open(file) => file.metadata().call("fstat", Path::new(NOWHERE)),
        Subject::At(path) if follow => fs::metadata(path).call("stat", path),
        Subject::At(path) => fs::symlink_metadata(path).call("lstat", path),
    }?;
    Ok(described(&meta))
}

fn described(meta: &Metadata) -> FileStat {
    let nanoseconds = |seconds: i64, rest: i64| seconds.saturating_mul(1_000_000_000).saturating_add(rest);
    let born = meta.created().ok().and_then(|time| time.duration_since(UNIX_EPOCH).ok());
    let ctime_ns = nanoseconds(meta.ctime(), meta.ctime_nsec());
    FileStat {
        dev: meta.dev(),
        ino: meta.ino(),
        mode: meta.mode(),
        nlink: meta.nlink(),
        uid: meta.uid(),
        gid: meta.gid(),
        rdev: meta.rdev(),
        size: meta.size(),
        block_size: meta.blksize(),
        blocks: meta.blocks(),
        atime_ns: nanoseconds(meta.atime(), meta.atime_nsec()),
        mtime_ns: nanoseconds(meta.mtime(), meta.mtime_nsec()),
        ctime_ns,
        // As in Node, the time of the last change is used if the file system keeps no birth time.
        birthtime_ns: born.and_then(|age| i64::try_from(age.as_nanos()).ok()).unwrap_or(ctime_ns),
    }
}

pub(super) fn change_mode(subject: &Subject, mode: u32) -> Outcome<()> {
    let mode = fs::Permissions::from_mode(mode & 0o7777);
    match subject {
        Subject::Open(file) => file.set_permissions(mode).call("fchmod", Path::new(NOWHERE)),
        Subject::At(path) => fs::set_permissions(path, mode).call("chmod", path),
    }
}

pub(super) fn change_owner(subject: &Subject, uid: u32, gid: u32, follow: bool) -> Outcome<()> {
    let wanted = |id: u32| (id != UNCHANGED).then_some(id);
    let (uid, gid) = (wanted(uid), wanted(gid));
    match subject {
        Subject::Open(file) => fchown(file, uid, gid).call("fchown", Path::new(NOWHERE)),
        Subject::At(path) if follow => chown(path, uid, gid).call("chown", path),
        Subject::At(path) => lchown(path, uid, gid).call("lchown", path),
    }
}

pub(super) fn set_times(subject: &Subject, atime_ns: i64, mtime_ns: i64, follow: bool) -> Outcome<()> {
    let time = |ns: i64| TimeSpec::new(ns.div_euclid(1_000_000_000), ns.rem_euclid(1_000_000_000));
    let (atime, mtime) = (time(atime_ns), time(mtime_ns));
    match subject {
        Subject::Open(file) => futimens(file, &atime, &mtime).call("futime", Path::new(NOWHERE)),
        Subject::At(path) => {
            let (flags, name) = if follow {
                (UtimensatFlags::FollowSymlink, "utime")
            } else {
                (UtimensatFlags::NoFollowSymlink, "lutime")
            };
            utimensat(AT_FDCWD, *path, &atime, &mtime, flags).call(name, path)
        }
    }
}

pub(super) fn truncate(subject: &Subject, length: u64) -> Outcome<()> {
    match subject {
        Subject::Open(file) => file.set_len(length).call("ftruncate", Path::new(NOWHERE)),
        Subject::At(path) => {
            let file = OpenOptions::new().write(true).custom_flags(libc::O_NONBLOCK).open(path);
            file.call("open", path)?.set_len(length).call("ftruncate", Path::new(NOWHERE))
        }
    }
}
