//! The guest kernel's command line under libkrun. Called by `engine`.

use crate::cmdline;

/// The console is virtio's. libkrun has no serial port, so the driver need not probe for one. kvmclock provides the TSC's frequency,
/// and the host checks that it is stable.
pub(super) fn guest_cmdline() -> String {
    cmdline::cmdline(&["console=hvc0", "8250.nr_uarts=0", "tsc=reliable"])
}

#[cfg(test)]
mod tests {
    #[test]
    fn the_own_part_is_reviewed_here() {
        assert!(super::guest_cmdline().starts_with("console=hvc0 8250.nr_uarts=0 tsc=reliable quiet "));
    }
}
