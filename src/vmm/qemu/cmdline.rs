//! The guest kernel's command line under QEMU. Called by `arguments`.

use crate::cmdline;

/// The guest kernel's clock source.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Clock {
    /// kvmclock, which needs no parameter.
    Kvm,
    /// An emulated TSC, which ticks like the host's.
    Emulated {
        /// Thousands of ticks a second, from `tsc::khz`.
        tsc_khz: u64,
    },
    /// An emulated TSC of unknown frequency. The guest calibrates it, which takes 200 ms and is inaccurate on a busy host.
    Unknown,
}

/// The console is the ISA serial port, which works from the first line on, and which QEMU's microvm has anyway.
pub(super) fn guest_cmdline(clock: Clock) -> String {
    match clock {
        Clock::Kvm | Clock::Unknown => cmdline::cmdline(&["console=ttyS0"]),
        Clock::Emulated { tsc_khz } => cmdline::cmdline(&[
            "console=ttyS0",
            "tsc=reliable",
            &format!("tsc_early_khz={tsc_khz}"),
            // QEMU's local APIC timer counts nanoseconds.
            "lapic_timer_khz=1000000",
        ]),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_own_part_is_reviewed_here() {
        let emulated = guest_cmdline(Clock::Emulated { tsc_khz: 2_100_000 });
        let expected = "console=ttyS0 tsc=reliable tsc_early_khz=2100000 lapic_timer_khz=1000000 quiet ";
        assert!(emulated.starts_with(expected), "{emulated}");
        assert!(guest_cmdline(Clock::Kvm).starts_with("console=ttyS0 quiet "));
        assert_eq!(guest_cmdline(Clock::Kvm), guest_cmdline(Clock::Unknown));
    }
}
