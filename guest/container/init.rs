//! The order of events by which a process, already in fresh namespaces, becomes the container's init.
//!
//! Called by `zygote`; calls every other file of this room. On an error the process is good for nothing but exiting.

use std::{os::fd::OwnedFd, path::Path};

use boxlite_proto::v1::{ContainerInitRequest, Process};
use nix::{
    errno::Errno,
    fcntl::{OFlag, open, openat},
    sched::{CloneFlags, unshare},
    sys::{
        prctl,
        stat::{Mode, umask},
    },
    unistd::sethostname,
};

use super::{Rlimits, devices, drop_bounding, files, masks, mounts, rootfs, sysctl};
use crate::{Context as _, Error, Kind, Result};

/// File mode creation mask that processes of the container start with.
const UMASK: Mode = Mode::from_bits_truncate(0o022);

/// What executions need of the container that this process has become.
#[derive(Debug)]
pub struct Container {
    /// The container's devpts, held so that no later mount can put another in its place; none was asked for.
    pub pts: Option<OwnedFd>,
    /// A /proc from before the container, for `self/oom_score_adj`.
    pub proc: Option<OwnedFd>,
    /// Limits of every execution.
    pub rlimits: Rlimits,
}

/// Becomes the container: kernel parameters, cgroup namespace, root, mounts, devices, files, hostname, limits.
///
/// The caller must be alone in new pid, mount, uts and ipc namespaces and in the container's cgroup.
pub fn become_container(request: &ContainerInitRequest, rootfs: &Path) -> Result<Container> {
    let process = request.process.clone().unwrap_or_default();
    let rlimits = Rlimits::parse(&process.rlimits)?;
    let path = OFlag::O_PATH | OFlag::O_DIRECTORY | OFlag::O_CLOEXEC;
    let proc = open("/proc", path, Mode::empty()).context(|| "open /proc")?;
    protect_from_oom(&proc)?;
    sysctl::set(&proc, &request.sysctls)?;
    // Rooted where this process is: below it, the container sees no other groups.
    unshare(CloneFlags::CLONE_NEWCGROUP).context(|| "unshare the cgroup namespace")?;
    if !request.hostname.is_empty() {
        sethostname(&request.hostname).context(|| format!("set hostname {:?}", request.hostname))?;
    }
    umask(UMASK);
    fill_rootfs(request, &process, rootfs)?;
    restrict(&process)?;
    let pts = match open("/dev/pts", path, Mode::empty()) {
        Err(Errno::ENOENT) => None,
        opened => Some(opened.context(|| "open /dev/pts")?),
    };
    Ok(Container { pts, proc: Some(proc), rlimits })
}

fn fill_rootfs(request: &ContainerInitRequest, process: &Process, path: &Path) -> Result<()> {
    let old_root = rootfs::enter(path)?;
    request.mounts.iter().try_for_each(mounts::attach)?;
    devices::populate()?;
    files::write(&request.files)?;
    if !process.cwd.is_empty() {
        if !process.cwd.starts_with('/') {
            return Err(Error::new(Kind::Invalid, format!("container cwd {:?}: not absolute", process.cwd)));
        }
        mounts::make_dir(Path::new(&process.cwd))?;
    }
    request.readonly_paths.iter().try_for_each(|path| masks::make_readonly(path))?;
    request.masked_paths.iter().try_for_each(|path| masks::mask(path))?;
    old_root.detach()
}

fn restrict(process: &Process) -> Result<()> {
    drop_bounding(&process.capabilities)?;
    if process.no_new_privileges {
        prctl::set_no_new_privs().context(|| "set no_new_privs")?;
    }
    Ok(())
}

/// If the container's init died, all of the container would: the OOM killer must take another. Executions undo it.
fn protect_from_oom(proc: &OwnedFd) -> Result<()> {
    let flags = OFlag::O_WRONLY | OFlag::O_CLOEXEC;
    let file = openat(proc, "self/oom_score_adj", flags, Mode::empty()).context(|| "open oom_score_adj")?;
    nix::unistd::write(&file, b"-1000").map(drop).context(|| "write oom_score_adj")
}
