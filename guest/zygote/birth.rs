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

use nix::libc;

use super::{
    fork::fork_into,
    message::{Contain, Event, Reply},
    wire,
};
use crate::{
    Context as _, Result,
    container::{Cgroup, Container, ExecutionGroups, become_container, filter_devices},
};

/// Splits off the container's init. Returns only in it, and only when the container stands; the zygote exits.
pub(super) fn contain(socket: &OwnedFd, order: &Contain) -> (Container, ExecutionGroups) {
    match bear(socket, order) {
        Ok(born) => {
            tell(socket, Event::Ready(true));
            born
        }
        Err(error) => {
            tell(socket, Event::Failed(error.chain()));
            process::exit(1)
        }
    }
}

fn bear(socket: &OwnedFd, order: &Contain) -> Result<(Container, ExecutionGroups)> {
    let request = order.request.clone().unwrap_or_default();
    let cgroup = Cgroup::of(&request.container_id)?;
    cgroup.create(request.resources.as_ref())?;
    let directory =
        File::open(cgroup.path()).context(|| format!("open cgroup {}", cgroup.path().display()))?;
    filter_devices(directory.as_fd(), &[]).context(|| "filter the container's devices")?;
    if let Some(pid) = clone_into(&directory).context(|| "clone the container's init")? {
        tell(socket, Event::Born(pid));
        process::exit(0);
    }
    let container = become_container(&request, Path::new(&order.rootfs))?;
    // Opened in the agent's view of the machine: the container itself sees its groups read-only.
    Ok((container, ExecutionGroups::new(directory.into())))
}

/// `fork` with new pid, mount, uts and ipc namespaces, in the group `cgroup`. `None` in the child.
fn clone_into(cgroup: &File) -> nix::Result<Option<u32>> {
    let namespaces = libc::CLONE_NEWPID | libc::CLONE_NEWNS | libc::CLONE_NEWUTS | libc::CLONE_NEWIPC;
    // SAFETY: the zygote has a single thread.
    let child = unsafe { fork_into(cgroup.as_fd(), namespaces) }?;
    Ok(child.map(|pid| pid.as_raw().unsigned_abs()))
}

/// The agent going away ends the machine, so there is nobody to tell of a failure here.
fn tell(socket: &OwnedFd, event: Event) {
    let _ = wire::send(socket.as_fd(), &Reply { event: Some(event) }, &[]);
}
