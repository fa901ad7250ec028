//! Chooses the pages of a small machine's memory: huge ones where its kernel fills them at every start, small ones in between.
//! A start then takes a tenth of the page faults, its end frees a tenth of the pages, and the host gives little more than
//! with small pages alone (1.6 MiB of 42).
//!
//! libkrun maps the memory and loads the kernel into it in one call, so the definition of `mmap` here stands in for
//! libc's at link time: on a thread that called [`expect`] it advises the kernel on one mapping; everything else it passes on.
//! Called by libkrun, once `engine` has said what to expect.

#![allow(unsafe_code, reason = "a symbol of libc is replaced")]

use std::{
    cell::Cell,
    ffi::{c_int, c_void},
    ops::Range,
};

use nix::libc;

const MIB: usize = 1 << 20;

/// Where the kernel's image is (from `CONFIG_PHYSICAL_START`) and what it allocates first, in bytes; seen in
/// `/proc/PID/pagemap` of boxes of 128 MiB to 1 GiB.
const LOW: [Range<usize>; 2] = [8 * MIB..22 * MIB, 24 * MIB..32 * MIB];

/// The initramfs, at the end of memory, and what the kernel allocates below it before it knows pages, in bytes; besides,
/// 64 bytes for each page of 4096.
const HIGH: usize = 8 * MIB;

thread_local! {
    static EXPECTED: Cell<usize> = const { Cell::new(0) };
}

/// From now on, this thread's next anonymous mapping of exactly this size is a machine's memory.
pub(super) fn expect(memory_mib: u32) {
    EXPECTED.set(memory_mib as usize * MIB);
}

/// The parts of a memory of `size` bytes that every start fills.
fn filled(size: usize) -> [Range<usize>; 3] {
    let high = size.saturating_sub(HIGH + size / 64);
    let [image, first] = LOW.map(|part| part.start.min(high)..part.end.min(high));
    [image, first, high..size]
}

/// `mmap` of POSIX, that advises on the machine's memory.
// SAFETY: the name belongs to libc; this has the signature and the effect of libc's own, since an advice on huge pages changes
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
    // SAFETY: the caller's own arguments; the system call says -1 where mmap does, which is MAP_FAILED.
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

/// On `part` of the mapping at `start`. A kernel without huge pages refuses, and gives small ones anyway.
fn advise(start: *mut c_void, part: Range<usize>, advice: c_int) {
    if !part.is_empty() {
        // SAFETY: `part` lies in a mapping that the caller made a moment ago; the advice changes no byte of it.
        unsafe { libc::madvise(start.wrapping_byte_add(part.start), part.len(), advice) };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_start_fills_is_within_the_memory_however_small() {
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
