//! Whether programs may be executed where the shim lies. Called by `doctor`: a `noexec` mount looks like a missing right otherwise.

use std::path::Path;

use nix::sys::statvfs::{FsFlags, statvfs};

use crate::doctor::DoctorCheck;

/// Returns what is wrong with the mount of `shim`, or nothing.
pub(super) fn executable(shim: &Path) -> Option<DoctorCheck> {
    judge(shim, statvfs(shim).ok()?.flags())
}

fn judge(shim: &Path, flags: FsFlags) -> Option<DoctorCheck> {
    flags.contains(FsFlags::ST_NOEXEC).then(|| {
        DoctorCheck::bad(
            "shim_mount",
            format!("`{}` lies on a file system that is mounted noexec", shim.display()),
            "install the package on another file system, or mount this one with `exec`",
        )
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_noexec_is_amiss() {
        let shim = Path::new("/x/bin/boxlite-shim");
        assert_eq!(judge(shim, FsFlags::ST_NOSUID | FsFlags::ST_RDONLY), None);
        let check = judge(shim, FsFlags::ST_NOSUID | FsFlags::ST_NOEXEC).unwrap();
        assert_eq!((check.code.as_str(), check.ok), ("shim_mount", false));
    }
}
