//! What the guest kernel must be told under libkrun. Called by `engine`.

use crate::cmdline;

/// libkrun's console is virtio's; it has no serial port, so the driver need not look for one. kvmclock tells the TSC's
/// frequency and the host watches over it.
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
