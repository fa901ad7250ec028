//! The stages that a box passes on its way from a name to a running container. Errors name them, and the runtime's pipeline
//! times them.

use serde::{Deserialize, Serialize};

use crate::named;

/// One stage of the start pipeline.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Stage {
    /// Resolve and pull the image.
    Image,
    /// Merge its layers into a root disk.
    Rootfs,
    /// Make the box's overlay on that disk.
    Disk,
    /// Start the shim.
    Spawn,
    /// Wait for the guest's ready notification.
    Ready,
    /// `Guest.Init`: clock, entropy, root disk.
    Guest,
    /// `Container.Init`.
    Container,
}

named!(Stage {
    Image = "image",
    Rootfs = "rootfs",
    Disk = "disk",
    Spawn = "spawn",
    Ready = "ready",
    Guest = "guest",
    Container = "container",
});
