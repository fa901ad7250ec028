//! What the guest kernel must be told under QEMU. Called by `engine`.

use crate::cmdline;

/// The console is the ISA serial port: there from the first line on, and QEMU's microvm has it anyway.
pub(super) fn guest_cmdline() -> String {
    cmdline::cmdline(&["console=ttyS0"])
}

#[cfg(test)]
mod tests {
    #[test]
    fn the_whole_line_is_reviewed_here() {
        assert_eq!(
            super::guest_cmdline(),
            "console=ttyS0 quiet panic=-1 mitigations=off random.trust_cpu=on tsc=reliable no_timer_check reboot=t"
        );
    }
}
