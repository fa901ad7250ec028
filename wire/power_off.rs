//! The power-off marker: how the agent announces that it is about to switch its machine off.
//!
//! An engine can't tell a power-off from a kernel panic, since both reset the processor. So an agent that ends the machine of
//! its own accord writes this marker to the console first, and an end that was neither announced nor asked for is a failure.
//! An agent that the host asked to shut down writes nothing: the host knows, and a virtio console is slow.

/// The end of a console line, written when the root disk is unmounted and nothing is left but to switch the machine off.
pub const MARKER: &str = "boxlite-guest: power off";
