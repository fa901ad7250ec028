//! The guest kernel's command line under QEMU. Called by `arguments`.

use crate::cmdline;

/// The console is the ISA serial port, which works from the first line on, and which QEMU's microvm has anyway. `tsc_khz` are thousands of
/// ticks a second of an emulated TSC, from `tsc::khz`. It is `None` under KVM, whose kvmclock needs no parameter, and where the frequency is
/// unknown: the guest then calibrates the TSC, which takes 200 ms and is inaccurate on a busy host.
pub(super) fn guest_cmdline(tsc_khz: Option<u64>) -> String {
    let Some(tsc_khz) = tsc_khz else { return cmdline::cmdline(&["console=ttyS0"]) };
    cmdline::cmdline(&[
        "console=ttyS0",
        "tsc=reliable",
        &format!("tsc_early_khz={tsc_khz}"),
        // QEMU's local APIC timer counts nanoseconds.
        "lapic_timer_khz=1000000",
    ])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_own_part_is_reviewed_here() {
        let emulated = guest_cmdline(Some(2_100_000));
        let expected = "console=ttyS0 tsc=reliable tsc_early_khz=2100000 lapic_timer_khz=1000000 quiet ";
        assert!(emulated.starts_with(expected), "{emulated}");
        assert!(guest_cmdline(None).starts_with("console=ttyS0 quiet "));
    }
}
