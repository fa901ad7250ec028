//! The birth of the container's init: one `clone3` into new namespaces and into the container's cgroup.
//!
//! Called by `serve`; calls `container`.
#![allow(unsafe_code, reason = "clone3(2) has no wrapper")]

use std::{
    fs::File,
    mem::size_of,
    os::fd::{AsFd as _, AsRawFd as _, OwnedFd},
    path::Path,
    process,
};

use nix::{errno::Errno, libc};

use super::{
    message::{Contain, Event, Reply},
    wire,
};
use crate::{
    Context as _, Result,
    container::{Cgroup, Container, become_container},
};

/// `include/uapi/linux/sched.h`; the libc crate's constant is too narrow to hold it.
const CLONE_INTO_CGROUP: u64 = 0x2_0000_0000;

/// Splits off the container's init. Returns only in it, and only when the container stands; the zygote exits.
pub(super) fn contain(socket: &OwnedFd, order: &Contain) -> Container {
    match bear(socket, order) {
        Ok(container) => {
            tell(socket, Event::Ready(true));
            container
        }
        Err(error) => {
            tell(socket, Event::Failed(error.chain()));
            process::exit(1)
        }
    }
}

fn bear(socket: &OwnedFd, order: &Contain) -> Result<Container> {
    let request = order.request.clone().unwrap_or_default();
    let cgroup = Cgroup::of(&request.container_id)?;
    cgroup.create(request.resources.as_ref())?;
    let directory =
        File::open(cgroup.path()).context(|| format!("open cgroup {}", cgroup.path().display()))?;
    if let Some(pid) = clone_into(&directory).context(|| "clone the container's init")? {
        tell(socket, Event::Born(pid));
        process::exit(0);
    }
    drop(directory);
    become_container(&request, Path::new(&order.rootfs))
}

/// `fork` with new pid, mount, uts and ipc namespaces. `None` in the child.
///
/// `CLONE_INTO_CGROUP` and not a write to cgroup.procs: moving a process takes a lock that waits for an RCU grace
/// period, milliseconds of every start.
fn clone_into(cgroup: &File) -> nix::Result<Option<u32>> {
    let namespaces = libc::CLONE_NEWPID | libc::CLONE_NEWNS | libc::CLONE_NEWUTS | libc::CLONE_NEWIPC;
    // SAFETY: clone_args is a plain struct of integers, for which zero means "not wanted".
    let mut args: libc::clone_args = unsafe { std::mem::zeroed() };
    args.flags = namespaces.unsigned_abs().into();
    args.flags |= CLONE_INTO_CGROUP;
    args.exit_signal = libc::SIGCHLD.unsigned_abs().into();
    args.cgroup = cgroup.as_raw_fd().unsigned_abs().into();
    // SAFETY: without CLONE_VM the child runs on its own copy of this stack, as after fork(2). The zygote has a single
    // thread, so no lock is held and the child may allocate. glibc caches no pid (since 2.25).
    let answer = unsafe { libc::syscall(libc::SYS_clone3, &raw const args, size_of::<libc::clone_args>()) };
    let pid = Errno::result(answer)?;
    Ok(u32::try_from(pid).ok().filter(|pid| *pid != 0))
}

/// The agent going away ends the machine, so there is nobody to tell of a failure here.
fn tell(socket: &OwnedFd, event: Event) {
    let _ = wire::send(socket.as_fd(), &Reply { event: Some(event) }, &[]);
}
