//! The box's disks as the guest sees them. Called by the Guest service.

mod root_disk;

pub use root_disk::{ROOTFS, mount_root_disk, seal_root_disk};
