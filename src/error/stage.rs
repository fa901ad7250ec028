//! The stages that a box passes on its way from a name to a running container, and the time each took.
//!
//! Named in errors, timed by the pipeline (`pipeline/`), shown by `box.info()`.

use serde::{Deserialize, Serialize};

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

impl Stage {
    /// Every stage, in order.
    pub const ALL: [Self; 7] =
        [Self::Image, Self::Rootfs, Self::Disk, Self::Spawn, Self::Ready, Self::Guest, Self::Container];

    /// The name that users see.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Image => "image",
            Self::Rootfs => "rootfs",
            Self::Disk => "disk",
            Self::Spawn => "spawn",
            Self::Ready => "ready",
            Self::Guest => "guest",
            Self::Container => "container",
        }
    }
}
