//! The mounts that the agent itself needs, made before the zygote is forked, and its limits and signals.
//!
//! Called once by `main.rs`. The initramfs has nothing but `/init` and `/dev/console`.

use std::{fs, path::Path};

use nix::{
    errno::Errno,
    mount::{MsFlags, mount},
    sys::{
        resource::{Resource, setrlimit},
        signal::{SigHandler, Signal, signal},
    },
    unistd::{chdir, chroot},
};

use crate::{Context as _, Result};

/// Most files that the agent may have open: three for each execution that runs, and some more.
const OPEN_FILES: u64 = 65_536;

/// Makes `/` pivotable and mounts /proc, /sys, /dev, /sys/fs/cgroup and /run.
///
/// The kernel refuses `pivot_root(2)` away from the initramfs itself ("rootfs", the mount without a parent), so it is
/// bound over itself first. The bind has a parent, and a container that leaves it leaves everything in it.
///
/// # Errors
///
/// A mount fails.
pub fn mount_early() -> Result<()> {
    let plain = MsFlags::MS_NOSUID | MsFlags::MS_NODEV | MsFlags::MS_NOEXEC;
    make_dir("/root")?;
    attach("/", "/root", "", MsFlags::MS_BIND)?;
    chdir("/root").context(|| "chdir /root")?;
    mount(Some("."), "/", None::<&str>, MsFlags::MS_MOVE, None::<&str>)
        .context(|| "move the root mount over /")?;
    chroot(".").context(|| "chroot into the root mount")?;

    for (source, target, flags) in [
        ("proc", "/proc", plain),
        ("sysfs", "/sys", plain),
        ("devtmpfs", "/dev", MsFlags::MS_NOSUID | MsFlags::MS_NOEXEC),
        ("tmpfs", "/run", plain),
    ] {
        make_dir(target)?;
        attach(source, target, source, flags)?;
    }
    attach("cgroup2", "/sys/fs/cgroup", "cgroup2", plain)
}

/// Raises this process's limit to `OPEN_FILES`. Call it after the zygote was forked, so that the box's processes have the
/// kernel's defaults.
///
/// # Errors
///
/// The kernel refuses the limit.
pub fn raise_file_limit() -> Result<()> {
    setrlimit(Resource::RLIMIT_NOFILE, OPEN_FILES, OPEN_FILES)
        .context(|| format!("raise RLIMIT_NOFILE to {OPEN_FILES}"))
}

/// Lets the kernel reap this process's children. Those of PID 1 are the zygote, the container's init and orphans, and the zygote
/// reports every exit that matters.
///
/// # Errors
///
/// The kernel refuses, which it does not for a valid signal.
#[allow(unsafe_code, reason = "signal(2)")]
pub fn ignore_children() -> Result<()> {
    // SAFETY: no handler is installed. With SIGCHLD ignored, children leave no zombies (POSIX).
    unsafe { signal(Signal::SIGCHLD, SigHandler::SigIgn) }.map(drop).context(|| "ignore SIGCHLD")
}

fn attach(source: &str, target: &str, fs_type: &str, flags: MsFlags) -> Result<()> {
    match mount(Some(source), target, Some(fs_type), flags, None::<&str>) {
        // It is mounted already in a kernel with CONFIG_DEVTMPFS_MOUNT.
        Err(Errno::EBUSY) => Ok(()),
        mounted => mounted.context(|| format!("mount {source} on {target}")),
    }
}

fn make_dir(path: &str) -> Result<()> {
    if Path::new(path).is_dir() {
        return Ok(());
    }
    fs::create_dir_all(path).context(|| format!("make directory {path}"))
}
