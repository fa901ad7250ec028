//! Masked and read-only paths: the parts of /proc and /sys that the container may not see or change.
//!
//! Called by `init` after the mounts, with the old root as the working directory. A path that does not exist is skipped, as the
//! specification requires.

use std::{
    fs, io,
    path::{Path, PathBuf},
};

use nix::{
    errno::Errno,
    mount::{MsFlags, mount},
    sys::statvfs::{FsFlags, statvfs},
};

use crate::{Context as _, Result};

/// Hides `path`: a file behind /dev/null, a directory behind an empty read-only tmpfs.
pub(super) fn mask(path: &str) -> Result<()> {
    match fs::metadata(path) {
        Err(error) if is_absent(&error) => Ok(()),
        Err(error) => Err(error).context(|| format!("mask {path}")),
        Ok(meta) if meta.is_dir() => {
            mount(Some("tmpfs"), path, Some("tmpfs"), MsFlags::MS_RDONLY, Some("size=0k"))
                .context(|| format!("mask {path}"))
        }
        // The source is the agent's own null device, since the working directory is the old root. An image can't have replaced it.
        Ok(_) => mount(Some("dev/null"), path, None::<&str>, MsFlags::MS_BIND, None::<&str>)
            .context(|| format!("mask {path}")),
    }
}

/// Makes `path` read-only by binding it over itself.
pub(super) fn make_readonly(path: &str) -> Result<()> {
    let target: PathBuf = Path::new(path).into();
    match mount(Some(&target), &target, None::<&str>, MsFlags::MS_BIND | MsFlags::MS_REC, None::<&str>) {
        Err(Errno::ENOENT | Errno::ENOTDIR) => return Ok(()),
        bound => bound.context(|| format!("bind {path} over itself"))?,
    }
    // A remount without the flags that are set already would try to clear them.
    let kept = statvfs(&target).map_or(MsFlags::empty(), |stat| kept_flags(stat.flags()));
    let flags = kept | MsFlags::MS_BIND | MsFlags::MS_REMOUNT | MsFlags::MS_RDONLY;
    mount(None::<&str>, &target, None::<&str>, flags, None::<&str>)
        .context(|| format!("make {path} read-only"))
}

fn kept_flags(set: FsFlags) -> MsFlags {
    let mut kept = MsFlags::empty();
    kept.set(MsFlags::MS_NOSUID, set.contains(FsFlags::ST_NOSUID));
    kept.set(MsFlags::MS_NODEV, set.contains(FsFlags::ST_NODEV));
    kept.set(MsFlags::MS_NOEXEC, set.contains(FsFlags::ST_NOEXEC));
    kept
}

fn is_absent(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory)
}
