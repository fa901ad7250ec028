//! The part of the guest kernel's command line that both engines share; `krun/cmdline.rs` and `qemu/cmdline.rs` add
//! theirs. There is no `root=`: the initramfs is the root file system. The virtio devices are announced behind it by
//! the engine.

/// Parameters in the order of the kernel's command line (Documentation/admin-guide/kernel-parameters.txt).
const COMMON: &[&str] = &[
    // Errors still appear; the 200 lines of a start would cost time on a console that nobody watches.
    "quiet",
    // A guest that panics ends at once, and so does its shim.
    "panic=-1",
    // The VM is the boundary: processes of one box trust each other as much as processes of one container do.
    "mitigations=off",
    // Entropy at once, from the CPU and from virtio-rng.
    "random.trust_cpu=on",
    // The host's TSC was checked by the host: no watchdog, no calibration against a second clock.
    "tsc=reliable",
    "no_timer_check",
    // How `reboot(2)` ends the machine: a triple fault is an end that both engines see at once.
    "reboot=t",
];

/// The whole command line: what `engine` needs, then [`COMMON`].
pub(crate) fn cmdline(engine: &[&str]) -> String {
    [engine, COMMON].concat().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_root_is_the_initramfs() {
        let line = cmdline(&["console=hvc0"]);
        assert!(line.starts_with("console=hvc0 quiet "));
        assert!(!line.contains("root="));
    }
}
