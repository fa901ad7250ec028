//! The part of the guest kernel's command line that both engines share; `krun/cmdline.rs` and `qemu/cmdline.rs` add
//! theirs. There is no `root=`, since the initramfs is the root file system. The engines append their virtio devices themselves. The
//! effect of each parameter is measured in `guest/kernel/README.md`.

/// Parameters of Documentation/admin-guide/kernel-parameters.txt.
const COMMON: &[&str] = &[
    // Errors still appear. The 200 lines of a normal start would only cost time.
    "quiet",
    // A guest that panics ends at once, and so does its shim.
    "panic=-1",
    // `reboot(2)` ends the machine by a triple fault, which both engines notice at once. `f` skips the shutdown of devices, which
    // nothing uses afterwards.
    "reboot=t,f",
    // The VM is the boundary: processes of one box trust each other as much as processes of one container host do.
    "mitigations=off",
    // The engine provides reliable clocks, so the kernel need not test its timer.
    "no_timer_check",
    // A box of more than 3 GiB would set 64 MiB of bounce buffers aside, which virtio never uses.
    "swiotlb=noforce",
    // Unmounting and removing cgroups is fast; it costs little on few CPUs.
    "rcupdate.rcu_expedited=1",
    // Pressure stall information would slow down every switch between processes, and a box's metrics come from its cgroup.
    "psi=0",
    // A frame that was sent is freed with the next one. An interrupt for each would cost the box more than the frame, since its driver asks
    // the engine what it is about and then acknowledges it.
    "virtio_net.napi_tx=0",
];

/// Returns the whole command line: the parameters of one engine, then those of both.
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
             rcupdate.rcu_expedited=1 psi=0 virtio_net.napi_tx=0"
        );
    }
}
