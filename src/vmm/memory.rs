//! How the host backs a machine's memory. A huge page holds 2 MiB of the host where the guest may have touched one byte of it: a
//! third of what a small machine takes when idle. A large one was asked for work, which huge pages make faster.
//!
//! Asked by both engines: libkrun's memory gets them where they are full (`krun/memory.rs`), QEMU's nowhere.

/// Most MiB of memory of a machine that is kept small.
const SMALL_MIB: u32 = 1024;

pub(crate) fn is_small(memory_mib: u32) -> bool {
    memory_mib <= SMALL_MIB
}
