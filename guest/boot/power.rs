//! Switching the machine off.
//!
//! Called by `main.rs` after a shutdown, and by `console` when the agent can't go on.

use std::process;

use nix::sys::reboot::{RebootMode, reboot};

/// How the machine is switched off. It is a reset, since an x86 guest without ACPI can't switch itself off, and both engines
/// end the machine at a reset (at the triple fault that `reboot=t` selects; QEMU because of `-no-reboot`).
pub const POWER_OFF: RebootMode = RebootMode::RB_AUTOBOOT;

/// Switches the machine off at once, without a sync. In a process that may not do that, it ends the process.
pub fn power_off() -> ! {
    // reboot(2) only returns if the kernel refused. The exit of PID 1 is then a kernel panic, which ends the machine too.
    let _ = reboot(POWER_OFF);
    process::exit(1)
}
