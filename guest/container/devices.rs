//! The device nodes and links that the specification wants in every container's /dev.
//!
//! Called by `init` after the mounts, so that they land on the tmpfs that the host asked for. No /dev/console: the
//! specification binds a terminal there, and this container's init has none.

use std::{os::unix::fs::symlink, path::Path};

use nix::{
    errno::Errno,
    sys::stat::{Mode, SFlag, makedev, mknod, umask},
};

use super::mounts::make_dir;
use crate::{Context as _, Result};

/// Name, major, minor (Linux `Documentation/admin-guide/devices.txt`), readable and writable by all.
const NODES: [(&str, u64, u64); 6] =
    [("null", 1, 3), ("zero", 1, 5), ("full", 1, 7), ("random", 1, 8), ("urandom", 1, 9), ("tty", 5, 0)];

/// Link, target (OCI runtime-spec, config-linux.md, "Dev symbolic links").
const LINKS: [(&str, &str); 5] = [
    ("fd", "/proc/self/fd"),
    ("stdin", "/proc/self/fd/0"),
    ("stdout", "/proc/self/fd/1"),
    ("stderr", "/proc/self/fd/2"),
    ("ptmx", "pts/ptmx"),
];

/// Makes what is missing; what the image or a mount brought stays.
pub(super) fn populate() -> Result<()> {
    let dev = Path::new("/dev");
    make_dir(dev)?;
    let mask = umask(Mode::empty());
    let made = nodes(dev).and_then(|()| links(dev));
    umask(mask);
    made
}

fn nodes(dev: &Path) -> Result<()> {
    for (name, major, minor) in NODES {
        let path = dev.join(name);
        match mknod(&path, SFlag::S_IFCHR, Mode::from_bits_truncate(0o666), makedev(major, minor)) {
            Err(Errno::EEXIST) => {}
            made => made.context(|| format!("make device {}", path.display()))?,
        }
    }
    Ok(())
}

fn links(dev: &Path) -> Result<()> {
    for (name, target) in LINKS {
        let path = dev.join(name);
        match symlink(target, &path) {
            Err(error) if error.raw_os_error() == Some(Errno::EEXIST as i32) => {}
            made => made.context(|| format!("link {} to {target}", path.display()))?,
        }
    }
    Ok(())
}
