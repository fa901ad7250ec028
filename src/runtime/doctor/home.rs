//! The doctor's checks of a home: whether it can be written, on what file system it lies and how much space is left, where
//! its path is too long. Called by `doctor`. Nothing is made: a home that is not there yet is judged by the folder above it.

use std::{
    os::unix::fs::MetadataExt,
    path::{Path, PathBuf},
};

use nix::{
    sys::{
        statfs::{self, FsType, statfs},
        statvfs::statvfs,
    },
    unistd::{AccessFlags, Uid, access},
};

use crate::{
    doctor::DoctorCheck,
    state::layout::{check_length, home_of},
};

/// Less free space than this and an image of some size will not fit.
const ENOUGH_SPACE: u64 = 2 << 30;

/// `CIFS_SUPER_MAGIC` and `SMB2_SUPER_MAGIC` (fs/smb/client/cifsglob.h), `V9FS_MAGIC` (include/uapi/linux/magic.h).
const CIFS: FsType = FsType(0xff53_4d42);
const SMB2: FsType = FsType(0xfe53_4d42);
const NINE_P: FsType = FsType(0x0102_1997);

/// Every check of the home that `option` and the environment name.
pub(super) fn examine(option: Option<&Path>) -> Vec<DoctorCheck> {
    let home = match home_of(option) {
        Ok(home) => home,
        Err(error) => return vec![DoctorCheck::failed("home", &error, "pass `home`")],
    };
    let existing = nearest(&home);
    let mut checks = vec![writable(&home, &existing)];
    let owner = home.metadata().ok().and_then(|meta| owner(meta.uid(), Uid::effective().as_raw(), &home));
    checks.extend(owner);
    if let Ok(stat) = statvfs(&existing) {
        #[allow(clippy::unnecessary_cast, reason = "these are narrower on other systems")]
        let free = stat.blocks_available() as u64 * stat.fragment_size() as u64;
        checks.push(space(free, &existing));
    }
    checks.extend(statfs(&existing).ok().map(|stat| file_system(stat.filesystem_type(), &existing)));
    checks.extend(length(&home));
    checks
}

fn writable(home: &Path, existing: &Path) -> DoctorCheck {
    let message = match access(existing, AccessFlags::W_OK | AccessFlags::X_OK) {
        Ok(()) => return DoctorCheck::good("home", home.display().to_string()),
        Err(errno) => {
            format!("home `{}` can't be written: `{}`: {errno}", home.display(), existing.display())
        }
    };
    DoctorCheck::bad("home", message, "choose another `home`, or set BOXLITE_HOME")
}

/// A home of another user: what this one makes in it, that one can't use, and the other way round.
fn owner(owner: u32, user: u32, home: &Path) -> Option<DoctorCheck> {
    (owner != user).then(|| {
        DoctorCheck::bad(
            "home_owner",
            format!("home `{}` belongs to user {owner}; this process is user {user}", home.display()),
            "run as that user, or choose a `home` of this one's",
        )
    })
}

fn space(free: u64, existing: &Path) -> DoctorCheck {
    let message = format!("{} MiB free at `{}`", free >> 20, existing.display());
    let remedy = "free some space, or choose a `home` on a larger disk";
    DoctorCheck::judged(free >= ENOUGH_SPACE, "disk_space", message, remedy)
}

/// A home needs locks, sparse files and links of whole files.
fn file_system(kind: FsType, existing: &Path) -> DoctorCheck {
    let unfit = [
        (statfs::NFS_SUPER_MAGIC, "NFS", "locks of several hosts do not hold"),
        (statfs::SMB_SUPER_MAGIC, "SMB", "locks and permissions do not hold"),
        (CIFS, "SMB", "locks and permissions do not hold"),
        (SMB2, "SMB", "locks and permissions do not hold"),
        (NINE_P, "9p", "locks of several hosts do not hold"),
        (statfs::MSDOS_SUPER_MAGIC, "FAT", "files can be neither sparse nor private"),
    ];
    match unfit.into_iter().find(|(magic, ..)| *magic == kind) {
        None => DoctorCheck::good("home_file_system", "locks and sparse files can be relied on"),
        Some((_, name, why)) => DoctorCheck::bad(
            "home_file_system",
            format!("`{}` lies on {name}, where {why}", existing.display()),
            "choose a `home` on a local disk: ext4, xfs, btrfs",
        ),
    }
}

/// A home whose path leaves room for those of its files.
fn length(home: &Path) -> Option<DoctorCheck> {
    let error = check_length(home).err()?;
    Some(DoctorCheck::bad("home_path", error.to_string(), "choose a `home` with a shorter path"))
}

/// The nearest folder above `path` that exists.
fn nearest(path: &Path) -> PathBuf {
    path.ancestors().find(|folder| folder.exists()).unwrap_or(Path::new("/")).to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_want_has_its_remedy() {
        let long = PathBuf::from(format!("/{}", "deep/".repeat(800)));
        for (check, code, remedy) in [
            (space(1 << 20, Path::new("/small")), "disk_space", "free some space"),
            (file_system(statfs::NFS_SUPER_MAGIC, Path::new("/net")), "home_file_system", "local disk"),
            (length(&long).unwrap(), "home_path", "shorter path"),
            (file_system(SMB2, Path::new("/net")), "home_file_system", "local disk"),
            (writable(Path::new("/proc/none"), Path::new("/proc/none")), "home", "BOXLITE_HOME"),
            (owner(0, 1000, Path::new("/theirs")).unwrap(), "home_owner", "run as that user"),
        ] {
            assert_eq!((check.code.as_str(), check.ok), (code, false));
            assert!(check.remedy.is_some_and(|text| text.to_string().contains(remedy)), "{code}");
        }
    }

    #[test]
    fn what_is_well_is_well() {
        assert!(space(8 << 30, Path::new("/")).ok);
        assert!(file_system(statfs::EXT4_SUPER_MAGIC, Path::new("/")).ok);
        assert_eq!(owner(1000, 1000, Path::new("/short")), None);
        assert_eq!(length(&PathBuf::from(format!("/{}", "deep/".repeat(700)))), None);
    }
}
