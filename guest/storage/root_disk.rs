//! The root disk: waited for, mounted where the container expects its rootfs, and made clean before power-off.
//!
//! Called by the Guest service; nothing else touches the disk from outside the container.

use std::{fs, path::Path, time::Duration};

use boxlite_proto::v1::RootDisk;
use nix::{
    mount::{MsFlags, mount},
    unistd::sync,
};
use tokio::time::{Instant, sleep};

use crate::{Context as _, Error, Kind, Result};

/// Where the root disk is mounted in the agent's mount namespace.
pub const ROOTFS: &str = "/run/rootfs";

/// How long the disk may take to appear. Virtio probing is over before `/init` runs, so this is for slow hosts.
const DEVICE_WAIT: Duration = Duration::from_secs(3);
const DEVICE_PAUSE: Duration = Duration::from_millis(1);

/// Mounts `disk` read-write on [`ROOTFS`].
///
/// # Errors
///
/// The name is no device name, the device does not appear, or the mount fails.
pub async fn mount_root_disk(disk: &RootDisk) -> Result<()> {
    let name = &disk.device;
    if name.is_empty() || !name.bytes().all(|byte| byte.is_ascii_alphanumeric()) {
        return Err(Error::new(Kind::Invalid, format!("root disk {name:?}: not a device name below /dev")));
    }
    let device = format!("/dev/{name}");
    await_device(Path::new(&device)).await?;
    fs::create_dir_all(ROOTFS).context(|| format!("make directory {ROOTFS}"))?;
    let fs_type = disk.fs_type.as_str();
    mount(Some(device.as_str()), ROOTFS, Some(fs_type), MsFlags::empty(), None::<&str>)
        .context(|| format!("mount root disk {device} as {fs_type} on {ROOTFS}"))
}

/// Leaves the root disk as clean as an unmount does.
///
/// Read-only rather than unmounted: that acts on the file system itself, so it can't be fooled by a mount that an ending
/// namespace still has, and it flushes and closes ext4's journal. Where something keeps a file open for writing (a
/// loop device), the file system is synced instead and its journal replayed at the next start.
pub fn seal_root_disk() {
    let flags = MsFlags::MS_REMOUNT | MsFlags::MS_RDONLY;
    if mount(None::<&str>, ROOTFS, None::<&str>, flags, None::<&str>).is_err() {
        sync();
    }
}

async fn await_device(device: &Path) -> Result<()> {
    let deadline = Instant::now() + DEVICE_WAIT;
    while !device.exists() {
        if Instant::now() >= deadline {
            let present = block_devices().join(", ");
            return Err(Error::new(
                Kind::NotFound,
                format!(
                    "root disk {}: not there after {DEVICE_WAIT:?}; block devices: [{present}]",
                    device.display()
                ),
            ));
        }
        sleep(DEVICE_PAUSE).await;
    }
    Ok(())
}

fn block_devices() -> Vec<String> {
    let Ok(entries) = fs::read_dir("/sys/block") else { return Vec::new() };
    entries.flatten().map(|entry| entry.file_name().to_string_lossy().into_owned()).collect()
}
