//! Advises the host's kernel on the pages of a small machine's memory: huge pages where the guest's kernel fills them at every start,
//! small pages elsewhere. Called by libkrun, through `mmap`, after `engine` has called [`expect`].
//!
//! Why this replaces libc's `mmap`: the advice makes a start 7 % faster and a stop 24 % (222 lab ms instead of 239, and 45 instead of
//! 59), since there is a tenth of the pages to fault in and to free, and an idle box of 512 MiB takes 44 MiB: without the advice it
//! takes 54 MiB where huge pages are always on, and 42 MiB where they are off.
//! The benchmark (`bench/`, figures `coldStart`, `stop` and `memoryIdle`) measures all three, and memory exceeds its limit of 48 MiB
//! without the advice. There is no smaller way: libkrun maps the memory and loads the kernel into it within one call
//! (`build_microvm` of krun-vmm) without a hook in between, later advice would find the pages filled, and the switch for a whole
//! process (`PR_SET_THP_DISABLE`) can't exempt a part of its memory. So the linker takes the definition here instead of libc's. It makes
//! the same system call, and gives advice on a single mapping: one of exactly the expected size, on a thread that has called
//! [`expect`]. Advice never changes what a program reads or writes. If a later libkrun maps its memory in another way, no advice is
//! given, and boxes only become slower and larger; `__test__/krun/main-job.mjs`, which checks in `/proc/PID/smaps` that the memory
//! has huge pages in these parts and nowhere else, then fails.

#![allow(unsafe_code, reason = "replaces a symbol of libc")]

use std::{
    cell::Cell,
    ffi::{c_int, c_void},
    ops::Range,
};

use nix::libc;

const MIB: usize = 1 << 20;

/// The kernel's image (from `CONFIG_PHYSICAL_START`) and its first allocations, in bytes, as observed in `/proc/PID/pagemap` of boxes
/// of 128 MiB to 1 GiB.
const LOW: [Range<usize>; 2] = [8 * MIB..22 * MIB, 24 * MIB..32 * MIB];

/// The initramfs, at the end of memory, and the early allocations below it, in bytes. The kernel's array of `struct page` comes on
/// top: 64 bytes for each page of 4096.
const HIGH: usize = 8 * MIB;

thread_local! {
    static EXPECTED: Cell<usize> = const { Cell::new(0) };
}

/// Makes this thread's next anonymous mapping of exactly this size count as a machine's memory.
pub(super) fn expect(memory_mib: u32) {
    EXPECTED.set(memory_mib as usize * MIB);
}

/// Returns the parts of a memory of `size` bytes that every start fills.
fn filled(size: usize) -> [Range<usize>; 3] {
    let high = size.saturating_sub(HIGH + size / 64);
    let [image, first] = LOW.map(|part| part.start.min(high)..part.end.min(high));
    [image, first, high..size]
}

/// `mmap` of POSIX, which also gives advice on the machine's memory.
// SAFETY: the name belongs to libc; this has the signature and the effect of libc's own, since advice on huge pages changes
// nothing that a program sees.
#[unsafe(no_mangle)]
unsafe extern "C" fn mmap(
    address: *mut c_void,
    length: usize,
    protection: c_int,
    flags: c_int,
    fd: c_int,
    offset: libc::off_t,
) -> *mut c_void {
    // SAFETY: the arguments are the caller's; the system call returns -1 where mmap does, which is MAP_FAILED.
    let mapped = unsafe { libc::syscall(libc::SYS_mmap, address, length, protection, flags, fd, offset) };
    let mapped = mapped as *mut c_void;
    let is_memory = fd == -1 && length > 0 && EXPECTED.try_with(Cell::get) == Ok(length);
    if is_memory && mapped != libc::MAP_FAILED {
        EXPECTED.set(0);
        advise(mapped, 0..length, libc::MADV_NOHUGEPAGE);
        for part in filled(length) {
            advise(mapped, part, libc::MADV_HUGEPAGE);
        }
    }
    mapped
}

/// Gives `advice` on `part` of the mapping at `start`. A kernel without huge pages refuses it and uses small pages.
fn advise(start: *mut c_void, part: Range<usize>, advice: c_int) {
    if !part.is_empty() {
        // SAFETY: `part` lies in a mapping that the caller has just created; the advice changes no byte of it.
        unsafe { libc::madvise(start.wrapping_byte_add(part.start), part.len(), advice) };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_filled_parts_are_within_the_memory_however_small() {
        let parts = |size: usize| filled(size * MIB).map(|part| part.start / MIB..part.end / MIB);
        assert_eq!(parts(512), [8..22, 24..32, 496..512]);
        assert_eq!(parts(128), [8..22, 24..32, 118..128]);
        for size in (0..200).map(|i| i * MIB) {
            let parts = filled(size);
            assert!(
                parts.is_sorted_by(|one, next| one.start <= one.end && one.end <= next.start),
                "{parts:?}"
            );
            assert!(parts[2].start <= parts[2].end && parts[2].end == size, "{parts:?}");
        }
    }
}
