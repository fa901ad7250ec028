//! The order of events by which a process, already in fresh namespaces, becomes the container's init.
//!
//! Called by `zygote`; calls every other file of this room. On an error the process is good for nothing but exiting.

use std::{
    fs::File,
    os::fd::OwnedFd,
    path::{Path, PathBuf},
};

use boxlite_proto::v1::{ContainerInitRequest, Process};
use nix::{
    errno::Errno,
    fcntl::{OFlag, open, openat},
    sched::{CloneFlags, setns, unshare},
    sys::{
        prctl,
        stat::{Mode, umask},
    },
    unistd::{Pid, chdir, sethostname},
};

use super::{Cgroup, Device, Rlimits, devices, drop_bounding, files, masks, mounts, rootfs, sysctl};
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
/// The caller must be alone in new pid, mount, uts and ipc namespaces and in `cgroup`, the container's. It leaves that for one
/// below where the container may hand controllers on and is not to have its main process in its place.
pub fn become_container(
    request: &ContainerInitRequest,
    rootfs: &Path,
    devices: &[Device],
    step_down: Option<&Cgroup>,
) -> Result<Container> {
    let process = request.process.clone().unwrap_or_default();
    let (proc, rlimits) = prepare(&process)?;
    sysctl::set(&proc, &request.sysctls)?;
    // Rooted where this process is: below it, the container sees no other groups.
    unshare(CloneFlags::CLONE_NEWCGROUP).context(|| "unshare the cgroup namespace")?;
    step_down.map_or(Ok(()), Cgroup::step_down)?;
    if !request.hostname.is_empty() {
        sethostname(&request.hostname).context(|| format!("set hostname {:?}", request.hostname))?;
    }
    umask(UMASK);
    fill_rootfs(request, &process, rootfs, devices)?;
    restrict(&process)?;
    Ok(Container { pts: open_pts()?, proc: Some(proc), rlimits })
}

/// Joins the container that `init` has become, in all but its pid namespace: only the children of this process are in that.
/// So this process is out of the container's reach, and outlives its init.
pub fn join_container(request: &ContainerInitRequest, init: Pid) -> Result<Container> {
    let process = request.process.clone().unwrap_or_default();
    let (proc, rlimits) = prepare(&process)?;
    let namespaces = [
        ("pid", CloneFlags::CLONE_NEWPID),
        ("ipc", CloneFlags::CLONE_NEWIPC),
        ("uts", CloneFlags::CLONE_NEWUTS),
        ("cgroup", CloneFlags::CLONE_NEWCGROUP),
        // Last, since it takes the root along, and /proc with it.
        ("mnt", CloneFlags::CLONE_NEWNS),
    ];
    for (name, kind) in namespaces {
        let path = PathBuf::from(format!("/proc/{init}/ns/{name}"));
        let namespace = File::open(&path).context(|| format!("open {}", path.display()))?;
        setns(namespace, kind).context(|| format!("join the {name} namespace of the container"))?;
    }
    chdir("/").context(|| "chdir /")?;
    umask(UMASK);
    restrict(&process)?;
    Ok(Container { pts: open_pts()?, proc: Some(proc), rlimits })
}

/// A /proc of the agent's world, and limits; this process is one that the OOM killer spares.
fn prepare(process: &Process) -> Result<(OwnedFd, Rlimits)> {
    let rlimits = Rlimits::parse(&process.rlimits)?;
    let path = OFlag::O_PATH | OFlag::O_DIRECTORY | OFlag::O_CLOEXEC;
    let proc = open("/proc", path, Mode::empty()).context(|| "open /proc")?;
    protect_from_oom(&proc)?;
    Ok((proc, rlimits))
}

fn open_pts() -> Result<Option<OwnedFd>> {
    let path = OFlag::O_PATH | OFlag::O_DIRECTORY | OFlag::O_CLOEXEC;
    match open("/dev/pts", path, Mode::empty()) {
        Err(Errno::ENOENT) => Ok(None),
        opened => opened.map(Some).context(|| "open /dev/pts"),
    }
}

fn fill_rootfs(
    request: &ContainerInitRequest,
    process: &Process,
    path: &Path,
    devices: &[Device],
) -> Result<()> {
    let old_root = rootfs::enter(path)?;
    request.mounts.iter().try_for_each(mounts::attach)?;
    devices::populate(devices)?;
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
