//! The device nodes and links that the specification requires in every container's /dev, and the machine's devices that the request
//! names.
//!
//! Called by the zygote to find those, and by `init` after the mounts, so that the nodes are made on the tmpfs of the request.
//! There is no /dev/console: the specification binds a terminal there, and this container's init has none.

use std::{
    fs,
    os::unix::fs::{FileTypeExt as _, MetadataExt as _, symlink},
    path::{Path, PathBuf},
};

use nix::{
    errno::Errno,
    sys::stat::{Mode, SFlag, major, makedev, minor, mknod, umask},
};

use super::{
    device_filter::{DeviceKind, DeviceRule},
    mounts::make_dir,
};
use crate::{Context as _, Error, Kind, Result};

/// Name, major and minor number (Linux `Documentation/admin-guide/devices.txt`). All may read and write them.
const NODES: [(&str, u64, u64); 6] =
    [("null", 1, 3), ("zero", 1, 5), ("full", 1, 7), ("random", 1, 8), ("urandom", 1, 9), ("tty", 5, 0)];

/// Link and target (OCI runtime-spec, config-linux.md, "Dev symbolic links").
const LINKS: [(&str, &str); 5] = [
    ("fd", "/proc/self/fd"),
    ("stdin", "/proc/self/fd/0"),
    ("stdout", "/proc/self/fd/1"),
    ("stderr", "/proc/self/fd/2"),
    ("ptmx", "pts/ptmx"),
];

/// The folder of the machine's own devices, before the container's root is entered.
const MACHINE: &str = "/dev";

/// The depth of the deepest devices, as /dev/input/by-id/NAME.
const DEPTH: usize = 3;

/// Devices that anybody may open, as in distributions. The machine has no udev to set that.
const OPEN_TO_ALL: [&str; 2] = ["fuse", "net/tun"];

/// The device that makes loop devices, their major number, and the number of nodes that a container gets for them.
const LOOP_CONTROL: &str = "loop-control";
const LOOP: u32 = 7;
const LOOPS: u32 = 8;

/// A device of the machine that the container has.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Device {
    /// Path below /dev.
    name: PathBuf,
    kind: DeviceKind,
    major: u32,
    minor: u32,
    mode: u32,
}

impl Device {
    /// Finds the devices with these paths. With the one that makes loop devices come the loop devices.
    ///
    /// # Errors
    ///
    /// The machine has no device with one of the paths.
    pub fn find(paths: &[String]) -> Result<Vec<Self>> {
        let mut found = Vec::new();
        for path in paths {
            let name = Path::new(path).strip_prefix("/dev").unwrap_or(Path::new(path));
            let device = Self::at(Path::new(MACHINE), name).ok_or_else(|| {
                let known: Vec<_> =
                    Self::all().iter().map(|device| device.name.display().to_string()).collect();
                let message = format!("device {path:?}: the machine has none; it has {}", known.join(", "));
                Error::new(Kind::Invalid, message)
            })?;
            found.push(device);
        }
        with_loops(&mut found);
        Ok(found)
    }

    /// Finds every device of the machine but its console.
    pub fn all() -> Vec<Self> {
        let mut found = Vec::new();
        collect(Path::new(MACHINE), Path::new(""), DEPTH, &mut found);
        found.sort_by(|one, other| one.name.cmp(&other.name));
        with_loops(&mut found);
        found
    }

    fn at(dev: &Path, name: &Path) -> Option<Self> {
        let meta = fs::symlink_metadata(dev.join(name)).ok()?;
        let kind = match meta.file_type() {
            kind if kind.is_char_device() => DeviceKind::Character,
            kind if kind.is_block_device() => DeviceKind::Block,
            _ => return None,
        };
        let number = |part: u64| u32::try_from(part).unwrap_or_default();
        let mode = if OPEN_TO_ALL.iter().any(|open| name == *open) { 0o666 } else { meta.mode() & 0o777 };
        Some(Self {
            name: name.to_owned(),
            kind,
            major: number(major(meta.rdev())),
            minor: number(minor(meta.rdev())),
            mode,
        })
    }

    /// The rule that lets the container open it.
    pub fn rule(&self) -> DeviceRule {
        // There may be more loop devices than there are nodes.
        let minor = (self.kind != DeviceKind::Block || self.major != LOOP).then_some(self.minor);
        DeviceRule { kind: self.kind, major: self.major, minor }
    }
}

/// Adds every device below `dev`/`folder`. A machine's /dev has few folders, and only the kernel makes them.
fn collect(dev: &Path, folder: &Path, depth: usize, found: &mut Vec<Device>) {
    let Ok(entries) = fs::read_dir(dev.join(folder)) else { return };
    for entry in entries.flatten() {
        let name = folder.join(entry.file_name());
        match Device::at(dev, &name) {
            Some(_) if name == Path::new("console") => {}
            Some(device) => found.push(device),
            None if depth > 1 && entry.file_type().is_ok_and(|kind| kind.is_dir()) => {
                collect(dev, &name, depth - 1, found);
            }
            None => {}
        }
    }
}

fn with_loops(found: &mut Vec<Device>) {
    if !found.iter().any(|device| device.name == Path::new(LOOP_CONTROL)) {
        return;
    }
    for minor in 0..LOOPS {
        let name = PathBuf::from(format!("loop{minor}"));
        if !found.iter().any(|device| device.name == name) {
            found.push(Device { name, kind: DeviceKind::Block, major: LOOP, minor, mode: 0o660 });
        }
    }
}

/// Makes the nodes and links that are missing. Those of the image or of a mount stay.
pub(super) fn populate(more: &[Device]) -> Result<()> {
    let dev = Path::new("/dev");
    make_dir(dev)?;
    let mask = umask(Mode::empty());
    let made = nodes(dev, more).and_then(|()| links(dev));
    umask(mask);
    made
}

fn nodes(dev: &Path, more: &[Device]) -> Result<()> {
    for (name, major, minor) in NODES {
        node(&dev.join(name), SFlag::S_IFCHR, 0o666, makedev(major, minor))?;
    }
    for device in more {
        let path = dev.join(&device.name);
        if let Some(folder) = path.parent() {
            make_dir(folder)?;
        }
        let kind = if device.kind == DeviceKind::Block { SFlag::S_IFBLK } else { SFlag::S_IFCHR };
        node(&path, kind, device.mode, makedev(device.major.into(), device.minor.into()))?;
    }
    Ok(())
}

fn node(path: &Path, kind: SFlag, mode: u32, device: u64) -> Result<()> {
    match mknod(path, kind, Mode::from_bits_truncate(mode), device) {
        Err(Errno::EEXIST) => Ok(()),
        other => other.context(|| format!("make device {}", path.display())),
    }
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_device_is_found_by_its_path() {
        let found = Device::find(&["/dev/null".into(), "/dev/zero".into()]).expect("every machine has them");
        let rules: Vec<_> = found.iter().map(Device::rule).collect();
        let rule = |minor| DeviceRule { kind: DeviceKind::Character, major: 1, minor: Some(minor) };
        assert_eq!(rules, [rule(3), rule(5)]);
    }

    #[test]
    fn what_is_no_device_is_refused_and_the_devices_are_listed() {
        for path in ["/dev/nothing", "/dev", "/etc/passwd", "/dev/fd"] {
            let error = Device::find(&[path.into()]).expect_err(path);
            assert_eq!(error.kind(), Kind::Invalid);
            let message = error.to_string();
            assert!(message.contains(path) && message.contains("null"), "{message}");
        }
    }

    #[test]
    fn the_device_that_makes_loop_devices_brings_them() {
        let name = LOOP_CONTROL.into();
        let mut found =
            vec![Device { name, kind: DeviceKind::Character, major: 10, minor: 237, mode: 0o600 }];
        with_loops(&mut found);
        assert_eq!(found.len(), 9);
        let any = DeviceRule { kind: DeviceKind::Block, major: 7, minor: None };
        assert!(found[1..].iter().all(|device| device.rule() == any));
    }
}
