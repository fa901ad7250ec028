//! What the guest kernel must be told under libkrun. Called by `engine`.

use crate::cmdline;

/// libkrun's console is virtio's; it has no serial port, so the driver need not look for one.
pub(super) fn guest_cmdline() -> String {
    cmdline::cmdline(&["console=hvc0", "8250.nr_uarts=0"])
}

#[cfg(test)]
mod tests {
    #[test]
    fn the_whole_line_is_reviewed_here() {
        assert_eq!(
            super::guest_cmdline(),
            "console=hvc0 8250.nr_uarts=0 quiet panic=-1 mitigations=off random.trust_cpu=on tsc=reliable \
             no_timer_check reboot=t"
        );
    }
}
