//! Cloning the container's init: one `clone3` into new namespaces and into the container's cgroup.
//!
//! Called by `serve`; calls `container` and, where the main process is to be the init, `main_init`.
#![allow(unsafe_code, reason = "a fork")]

use std::{
    fs::File,
    os::fd::{AsFd as _, OwnedFd},
    path::Path,
    process,
};

use boxlite_proto::v1::ContainerInitRequest;
use nix::{libc, unistd::Pid};

use super::{
    fork::fork_into,
    main_init::{self, MainInit, become_main},
    message::{Event, Failed, Reply},
    wire,
};
use crate::{
    Context as _, Result,
    container::{
        Cgroup, Container, Device, ExecutionGroups, become_container, filter_devices, join_container,
    },
    storage::ROOTFS,
};

/// A container that is set up, as the process sees it that serves its executions.
pub(super) struct Contained {
    pub(super) container: Container,
    pub(super) groups: ExecutionGroups,
    /// The container's pid 1 if it is not this process.
    pub(super) main_init: Option<MainInit>,
}

/// Clones the container's init. Returns only in the process that serves executions from then on, and only when the container is
/// set up. That process is the init, and the zygote exits; or it is the zygote, if the main process is to be the init.
pub(super) fn contain(socket: &OwnedFd, request: &ContainerInitRequest) -> Contained {
    match clone_init(socket, request) {
        Ok(contained) => {
            send(socket, Event::Ready(true));
            contained
        }
        Err(error) => {
            send(socket, Event::Failed(Failed::of(&error)));
            process::exit(1)
        }
    }
}

fn clone_init(socket: &OwnedFd, request: &ContainerInitRequest) -> Result<Contained> {
    let cgroup = Cgroup::of(&request.container_id)?;
    cgroup.create(request.resources.as_ref(), request.privileged)?;
    let directory =
        File::open(cgroup.path()).context(|| format!("open cgroup {}", cgroup.path().display()))?;
    let devices = if request.privileged { Device::all() } else { Device::find(&request.devices)? };
    if !request.privileged {
        let rules: Vec<_> = devices.iter().map(Device::rule).collect();
        filter_devices(directory.as_fd(), &rules).context(|| "filter the container's devices")?;
    }
    let rootfs = Path::new(ROOTFS);
    let main = request.supervision.as_ref().and_then(|config| config.main.as_ref());
    if main.is_some_and(|main| main.is_init) {
        return clone_main_init(socket, request, rootfs, &devices, directory);
    }
    if let Some(pid) = clone_into(&directory).context(|| "clone the container's init")? {
        send(socket, Event::InitCloned(pid.as_raw().unsigned_abs()));
        process::exit(0);
    }
    let below = request.privileged.then_some(&cgroup);
    let container = become_container(request, rootfs, &devices, below)?;
    // The directory was opened in the agent's view of the machine, since the container itself sees its groups read-only.
    Ok(Contained { container, groups: ExecutionGroups::new(directory.into()), main_init: None })
}

/// The same if the main process is to be the init.
fn clone_main_init(
    socket: &OwnedFd,
    request: &ContainerInitRequest,
    rootfs: &Path,
    devices: &[Device],
    directory: File,
) -> Result<Contained> {
    let (ours, its) = main_init::socket_pair()?;
    let Some(pid) = clone_into(&directory).context(|| "clone the container's init")? else {
        drop(ours);
        become_main(&its, become_container(request, rootfs, devices, None));
    };
    drop(its);
    send(socket, Event::InitCloned(pid.as_raw().unsigned_abs()));
    let main_init = MainInit::new(pid, ours)?;
    let container = join_container(request, pid)?;
    Ok(Contained { container, groups: ExecutionGroups::new(directory.into()), main_init: Some(main_init) })
}

/// Forks with new pid, mount, uts and ipc namespaces, into the group `cgroup`. Returns `None` in the child.
fn clone_into(cgroup: &File) -> nix::Result<Option<Pid>> {
    let namespaces = libc::CLONE_NEWPID | libc::CLONE_NEWNS | libc::CLONE_NEWUTS | libc::CLONE_NEWIPC;
    // SAFETY: the zygote has a single thread.
    unsafe { fork_into(cgroup.as_fd(), namespaces) }
}

/// A failure to send is ignored: it means that the agent is gone, which ends the machine.
fn send(socket: &OwnedFd, event: Event) {
    let _ = wire::send(socket.as_fd(), &Reply { event: Some(event) }, &[]);
}
