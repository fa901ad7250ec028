//! The stages that a box passes on its way from a name to a running container. Errors name them, and the runtime's pipeline
//! times them.

use crate::named;

named! {
    /// One stage of the start pipeline.
    pub enum Stage {
        /// Resolve and pull the image.
        Image = "image",
        /// Merge its layers into a root disk.
        Rootfs = "rootfs",
        /// Make the box's overlay on that disk.
        Disk = "disk",
        /// Start the shim.
        Spawn = "spawn",
        /// Wait for the guest's ready notification.
        Ready = "ready",
        /// `Guest.Init`: clock, entropy, root disk.
        Guest = "guest",
        /// `Container.Init`.
        Container = "container",
    }
}
