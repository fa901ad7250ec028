//! The first and the last steps of the agent: the early mounts, and the power-off.
//!
//! Called by `main.rs`. Nothing here needs tokio.

mod console;
mod early;
mod power;

pub use console::{announce_power_off, fail, watch_panics};
pub use early::{ignore_children, mount_early, raise_file_limit};
pub use power::{POWER_OFF, power_off};
