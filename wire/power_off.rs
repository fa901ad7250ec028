//! The power-off marker, with which the agent announces a power-off.
//!
//! An engine can't distinguish a power-off from a kernel panic, since both reset the processor. So an agent that powers the machine
//! off on its own initiative first writes this marker to the console, and an end without marker or request counts as a failure.
//! After the host's request the agent writes no marker: the host knows, and a virtio console is slow.

/// The end of a console line, which is written when the root disk is unmounted and only the power-off remains.
pub const MARKER: &str = "boxlite-guest: power off";
