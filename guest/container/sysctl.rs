//! Parameters of the machine's kernel (sysctl(8)), set before anything of the container runs.
//!
//! Called by `init`, in the container's namespaces, to some of which parameters belong: those of System V IPC, message queues
//! and the host name.

use std::{fs::File, io::Write as _, os::fd::OwnedFd, path::Path};

use boxlite_proto::v1::Sysctl;
use nix::fcntl::{OFlag, OpenHow, ResolveFlag, openat2};

use crate::{Error, Kind, Result};

/// Sets each of `sysctls`, in their order. `proc` is a /proc that nothing of the container has touched.
pub(super) fn set(proc: &OwnedFd, sysctls: &[Sysctl]) -> Result<()> {
    sysctls.iter().try_for_each(|Sysctl { name, value }| {
        // Whatever the kernel says against it, the one who asked for it is to hear of it.
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
    // In one write: each is a whole value.
    File::from(openat2(proc, &path, how)?).write_all(value.as_bytes())
}
