//! Ending the machine.
//!
//! Called by the Guest service after Shutdown, and by `console` when the agent can't go on.

use std::process;

use nix::sys::reboot::{RebootMode, reboot};

/// How the machine ends. A *reset*, not a power-off: without ACPI an x86 guest can't switch itself off, and
/// both engines end the machine on a reset (on the triple fault that `reboot=t` selects; QEMU by `-no-reboot`).
pub const POWER_OFF: RebootMode = RebootMode::RB_AUTOBOOT;

/// Ends the machine at once; nothing is synced. In a process that may not, ends the process.
pub fn power_off() -> ! {
    // PID 1 only comes back from here when the kernel refused; exiting then panics the kernel, which ends it too.
    let _ = reboot(POWER_OFF);
    process::exit(1)
}
