//! The order of events by which a process, already in new namespaces, becomes the container's init.
//!
//! Called by `zygote`; calls the other files of this room. After an error the process can only exit.

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

use super::{
    Cgroup, Device, Rlimits, authorities, devices, drop_bounding, files, masks, mounts, rootfs, sysctl,
};
use crate::{Context as _, Error, Kind, Result};

/// File mode creation mask that processes of the container start with.
const UMASK: Mode = Mode::from_bits_truncate(0o022);

/// What executions need of the container that this process has become.
#[derive(Debug)]
pub struct Container {
    /// The container's devpts, open so that no later mount can replace it. `None` if none was requested.
    pub pts: Option<OwnedFd>,
    /// The agent's /proc, for `self/oom_score_adj`.
    pub proc: Option<OwnedFd>,
    /// The limits of every execution.
    pub rlimits: Rlimits,
}

/// Becomes the container: kernel parameters, cgroup namespace, root, mounts, devices, files, hostname, limits.
///
/// The caller must be alone in new pid, mount, uts and ipc namespaces and in the container's cgroup. With `step_down` it moves to a
/// group below that, so that the container can pass controllers on.
///
/// # Errors
///
/// The request is invalid, or the kernel refuses a step. The process can then only exit.
pub fn become_container(
    request: &ContainerInitRequest,
    rootfs: &Path,
    devices: &[Device],
    step_down: Option<&Cgroup>,
) -> Result<Container> {
    let process = request.process.clone().unwrap_or_default();
    let (proc, rlimits) = prepare(&process)?;
    sysctl::set(&proc, &request.sysctls)?;
    // The namespace's root is this process's group, so the container sees no other groups.
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

/// Joins the container of `init`, in all but its pid namespace, which only the children of this process are in. So the container
/// can't reach this process, which outlives its init.
///
/// # Errors
///
/// A namespace of `init` can't be joined, or the kernel refuses a step.
pub fn join_container(request: &ContainerInitRequest, init: Pid) -> Result<Container> {
    let process = request.process.clone().unwrap_or_default();
    let (proc, rlimits) = prepare(&process)?;
    let namespaces = [
        ("pid", CloneFlags::CLONE_NEWPID),
        ("ipc", CloneFlags::CLONE_NEWIPC),
        ("uts", CloneFlags::CLONE_NEWUTS),
        ("cgroup", CloneFlags::CLONE_NEWCGROUP),
        // This is last, since it changes the root, and so /proc.
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

/// Opens the agent's /proc, parses the limits, and protects this process from the OOM killer.
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
    authorities::install(&request.ca_certificates)?;
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

/// The kernel ends the whole container with its init, so the OOM killer must take another process. Executions undo this.
fn protect_from_oom(proc: &OwnedFd) -> Result<()> {
    let flags = OFlag::O_WRONLY | OFlag::O_CLOEXEC;
    let file = openat(proc, "self/oom_score_adj", flags, Mode::empty()).context(|| "open oom_score_adj")?;
    nix::unistd::write(&file, b"-1000").map(drop).context(|| "write oom_score_adj")
}
