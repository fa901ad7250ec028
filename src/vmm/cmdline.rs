//! The part of the guest kernel's command line that both engines share; `krun/cmdline.rs` and `qemu/cmdline.rs` add
//! theirs. There is no `root=`: the initramfs is the root file system. The virtio devices are announced behind it by
//! the engine. Measured in `guest/kernel/README.md`.

/// Parameters of Documentation/admin-guide/kernel-parameters.txt.
const COMMON: &[&str] = &[
    // Errors still appear; the 200 lines of a start would cost time on a console that nobody watches.
    "quiet",
    // A guest that panics ends at once, and so does its shim.
    "panic=-1",
    // How `reboot(2)` ends the machine: a triple fault is an end that both engines see at once. `f`: without putting its
    // hardware in order first, which nothing will find again.
    "reboot=t,f",
    // The VM is the boundary: processes of one box trust each other as much as processes of one container host do.
    "mitigations=off",
    // Nothing is calibrated or watched: the engine says what the clocks are.
    "no_timer_check",
    // A box of more than 3 GiB would set 64 MiB of bounce buffers aside, which virtio never uses.
    "swiotlb=noforce",
    // Unmounting and removing cgroups is fast; it costs little on few CPUs.
    "rcupdate.rcu_expedited=1",
    // No pressure stall information: it would cost every switch between processes, and a box's figures are its cgroup's.
    "psi=0",
];

/// The whole command line: what `engine` needs, then what all do.
pub(crate) fn cmdline(engine: &[&str]) -> String {
    [engine, COMMON].concat().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_whole_line_is_reviewed_here() {
        assert_eq!(
            cmdline(&["console=hvc0"]),
            "console=hvc0 quiet panic=-1 reboot=t,f mitigations=off no_timer_check swiotlb=noforce \
             rcupdate.rcu_expedited=1 psi=0"
        );
    }
}
