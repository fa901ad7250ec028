//! The machine's first and last words: early mounts before anything else, power-off after everything else.
//!
//! Called by `main.rs` and by the Guest service. Nothing here needs tokio.

mod console;
mod early;
mod power;

pub use console::{announce_power_off, die, watch_panics};
pub use early::{ignore_children, mount_early, raise_file_limit};
pub use power::{POWER_OFF, power_off};
