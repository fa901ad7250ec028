//! Parameters of the machine's kernel (sysctl(8)), set before any process of the container runs.
//!
//! Called by `init`, in the container's namespaces, since some parameters belong to one: those of System V IPC, message queues and
//! the host name.

use std::{fs::File, io::Write as _, os::fd::OwnedFd, path::Path};

use boxlite_proto::v1::Sysctl;
use nix::fcntl::{OFlag, OpenHow, ResolveFlag, openat2};

use crate::{Error, Kind, Result};

/// Sets each of `sysctls`, in their order. `proc` is a /proc that no process of the container could change.
pub(super) fn set(proc: &OwnedFd, sysctls: &[Sysctl]) -> Result<()> {
    sysctls.iter().try_for_each(|Sysctl { name, value }| {
        // Whatever the kernel's reason is, the request is invalid.
        write(proc, name, value).map_err(|error| {
            Error::new(Kind::Invalid, format!("set kernel parameter {name:?} to {value:?}: {error}"))
        })
    })
}

fn write(proc: &OwnedFd, name: &str, value: &str) -> std::io::Result<()> {
    let how = OpenHow::new()
        .flags(OFlag::O_WRONLY | OFlag::O_CLOEXEC)
        .resolve(ResolveFlag::RESOLVE_BENEATH | ResolveFlag::RESOLVE_NO_SYMLINKS);
    let path = Path::new("sys").join(name);
    // The value takes one write, since the kernel takes each write for a whole value.
    File::from(openat2(proc, &path, how)?).write_all(value.as_bytes())
}
