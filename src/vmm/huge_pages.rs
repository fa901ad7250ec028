//! Which machines get huge pages. A huge page takes 2 MiB of the host as soon as the guest touches one byte of it, which is a third
//! of what a small idle machine takes. A large machine is expected to work hard, and huge pages make its work faster.
//!
//! Called by both engines: libkrun gives a small machine huge pages only where they will be full (`krun/memory.rs`), QEMU gives it
//! none.

/// The most memory of a small machine, in MiB.
const SMALL_MIB: u32 = 1024;

/// Whether a machine with this much memory is small.
pub(crate) fn is_small(memory_mib: u32) -> bool {
    memory_mib <= SMALL_MIB
}
