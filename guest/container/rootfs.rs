//! Entering the rootfs with `pivot_root`, in two steps. Mounts between them can name paths of both roots.
//!
//! Called by `init`.

use std::{os::fd::OwnedFd, path::Path};

use nix::{
    fcntl::{OFlag, open},
    mount::{MntFlags, MsFlags, mount, umount2},
    sys::stat::Mode,
    unistd::{chdir, fchdir, pivot_root},
};

use crate::{Context as _, Result};

/// The root that the container leaves, which is the working directory until [`Self::detach`].
pub(super) struct OldRoot(OwnedFd);

/// Makes `rootfs` this process's root, with the old root mounted on it and as the working directory.
pub(super) fn enter(rootfs: &Path) -> Result<OldRoot> {
    let private = MsFlags::MS_REC | MsFlags::MS_PRIVATE;
    mount(None::<&str>, "/", None::<&str>, private, None::<&str>).context(|| "make every mount private")?;
    let directory = OFlag::O_PATH | OFlag::O_DIRECTORY | OFlag::O_CLOEXEC;
    let old = open("/", directory, Mode::empty()).context(|| "open /")?;
    chdir(rootfs).context(|| format!("enter rootfs {}", rootfs.display()))?;
    // pivot_root(2), "pivot_root(".", ".")": no directory for the old root is needed in the rootfs.
    pivot_root(".", ".").context(|| format!("pivot_root to {}", rootfs.display()))?;
    fchdir(&old).context(|| "return to the old root")?;
    Ok(OldRoot(old))
}

impl OldRoot {
    /// Unmounts the old root.
    pub(super) fn detach(self) -> Result<()> {
        fchdir(&self.0).context(|| "return to the old root")?;
        umount2(".", MntFlags::MNT_DETACH).context(|| "detach the old root")?;
        chdir("/").context(|| "chdir /")
    }
}
