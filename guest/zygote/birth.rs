//! The birth of the container's init: one `clone3` into new namespaces and into the container's cgroup.
//!
//! Called by `serve`; calls `container`.
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
    first::{self, First, become_main},
    fork::fork_into,
    message::{Contain, Event, Failed, Reply},
    wire,
};
use crate::{
    Context as _, Result,
    container::{
        Cgroup, Container, Device, ExecutionGroups, become_container, filter_devices, join_container,
    },
};

/// A container that stands, as the process sees it that serves its executions.
pub(super) struct Standing {
    pub(super) container: Container,
    pub(super) groups: ExecutionGroups,
    /// The container's pid 1 where that is not this process.
    pub(super) first: Option<First>,
}

/// Splits off the container's init. Returns only in the process that serves executions from then on, and only when the
/// container stands: that is the init, and the zygote exits; or the zygote, where the main process is to be the init.
pub(super) fn contain(socket: &OwnedFd, order: &Contain) -> Standing {
    match bear(socket, order) {
        Ok(standing) => {
            tell(socket, Event::Ready(true));
            standing
        }
        Err(error) => {
            tell(socket, Event::Failed(Failed::of(&error)));
            process::exit(1)
        }
    }
}

fn bear(socket: &OwnedFd, order: &Contain) -> Result<Standing> {
    let request = order.request.clone().unwrap_or_default();
    let cgroup = Cgroup::of(&request.container_id)?;
    cgroup.create(request.resources.as_ref(), request.privileged)?;
    let directory =
        File::open(cgroup.path()).context(|| format!("open cgroup {}", cgroup.path().display()))?;
    let devices = if request.privileged { Device::all() } else { Device::find(&request.devices)? };
    if !request.privileged {
        let rules: Vec<_> = devices.iter().map(Device::rule).collect();
        filter_devices(directory.as_fd(), &rules).context(|| "filter the container's devices")?;
    }
    let rootfs = Path::new(&order.rootfs);
    if order.main_is_init {
        return bear_first(socket, &request, rootfs, &devices, directory);
    }
    if let Some(pid) = clone_into(&directory).context(|| "clone the container's init")? {
        tell(socket, Event::Born(pid.as_raw().unsigned_abs()));
        process::exit(0);
    }
    let below = request.privileged.then_some(&cgroup);
    let container = become_container(&request, rootfs, &devices, below)?;
    // Opened in the agent's view of the machine: the container itself sees its groups read-only.
    Ok(Standing { container, groups: ExecutionGroups::new(directory.into()), first: None })
}

/// The same where the main process is to be the init.
fn bear_first(
    socket: &OwnedFd,
    request: &ContainerInitRequest,
    rootfs: &Path,
    devices: &[Device],
    directory: File,
) -> Result<Standing> {
    let (ours, its) = first::line()?;
    let Some(pid) = clone_into(&directory).context(|| "clone the container's init")? else {
        drop(ours);
        become_main(&its, become_container(request, rootfs, devices, None));
    };
    drop(its);
    tell(socket, Event::Born(pid.as_raw().unsigned_abs()));
    let first = First::new(pid, ours)?;
    let container = join_container(request, pid)?;
    Ok(Standing { container, groups: ExecutionGroups::new(directory.into()), first: Some(first) })
}

/// `fork` with new pid, mount, uts and ipc namespaces, in the group `cgroup`. `None` in the child.
fn clone_into(cgroup: &File) -> nix::Result<Option<Pid>> {
    let namespaces = libc::CLONE_NEWPID | libc::CLONE_NEWNS | libc::CLONE_NEWUTS | libc::CLONE_NEWIPC;
    // SAFETY: the zygote has a single thread.
    unsafe { fork_into(cgroup.as_fd(), namespaces) }
}

/// The agent going away ends the machine, so there is nobody to tell of a failure here.
fn tell(socket: &OwnedFd, event: Event) {
    let _ = wire::send(socket.as_fd(), &Reply { event: Some(event) }, &[]);
}
