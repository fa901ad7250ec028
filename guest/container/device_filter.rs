//! No process of the container may read or write a block device: the only one there is carries its own mounted root, and
//! who can make device nodes could damage it beneath its file system. docker's containers are kept from block devices too.
//!
//! Made by the zygote, beside the container's cgroup; version 2 of cgroups knows device rules only as a program (Linux
//! `Documentation/admin-guide/cgroup-v2.rst`, "Device controller").
#![allow(unsafe_code, reason = "bpf(2) has no wrapper")]

use std::{
    mem::size_of,
    os::fd::{AsRawFd as _, BorrowedFd, FromRawFd as _, OwnedFd},
};

use nix::{errno::Errno, libc};

/// Of `include/uapi/linux/bpf.h`.
const BPF_PROG_LOAD: libc::c_int = 5;
const BPF_PROG_ATTACH: libc::c_int = 8;
const BPF_PROG_TYPE_CGROUP_DEVICE: u32 = 15;
const BPF_CGROUP_DEVICE: u32 = 6;

/// `struct bpf_insn`.
#[repr(C)]
struct Instruction {
    code: u8,
    /// Destination in the low half, source in the high one.
    registers: u8,
    offset: i16,
    immediate: i32,
}

const fn instruction(code: u8, registers: u8, offset: i16, immediate: i32) -> Instruction {
    Instruction { code, registers, offset, immediate }
}

/// Register 1 points to `struct bpf_cgroup_dev_ctx`, whose first word is the access (1 makes a node, 2 reads, 4 writes) above
/// the kind of device (1 is block). The answer is register 0: 0 forbids.
const PROGRAM: [Instruction; 11] = [
    // r2 = access and kind
    instruction(0x61, 0x12, 0, 0),
    // r3 = kind
    instruction(0xbf, 0x23, 0, 0),
    instruction(0x57, 0x03, 0, 0xffff),
    // not block: allow
    instruction(0x55, 0x03, 5, 1),
    // r2 = access, but for making nodes
    instruction(0x77, 0x02, 0, 16),
    instruction(0x57, 0x02, 0, 6),
    // neither read nor written: allow
    instruction(0x15, 0x02, 2, 0),
    // forbid
    instruction(0xb7, 0x00, 0, 0),
    instruction(0x95, 0x00, 0, 0),
    // allow
    instruction(0xb7, 0x00, 0, 1),
    instruction(0x95, 0x00, 0, 0),
];

/// The head of `union bpf_attr` for `BPF_PROG_LOAD`; what follows is zero and may be left out.
#[repr(C)]
struct Load {
    kind: u32,
    count: u32,
    instructions: u64,
    license: u64,
}

/// The same for `BPF_PROG_ATTACH`.
#[repr(C)]
struct Attach {
    target: u32,
    program: u32,
    kind: u32,
    flags: u32,
}

/// Keeps the processes of the group whose directory `cgroup` is, and of those below, from block devices.
pub fn forbid_block_devices(cgroup: BorrowedFd<'_>) -> nix::Result<()> {
    let load = Load {
        kind: BPF_PROG_TYPE_CGROUP_DEVICE,
        count: u32::try_from(PROGRAM.len()).unwrap_or_default(),
        instructions: PROGRAM.as_ptr().addr() as u64,
        license: c"".as_ptr().addr() as u64,
    };
    let program = bpf(BPF_PROG_LOAD, &load)?;
    // SAFETY: the kernel has just made this descriptor for us.
    let program = unsafe { OwnedFd::from_raw_fd(program) };
    let attach = Attach {
        target: cgroup.as_raw_fd().cast_unsigned(),
        program: program.as_raw_fd().cast_unsigned(),
        kind: BPF_CGROUP_DEVICE,
        flags: 0,
    };
    // The group holds the program from here on.
    bpf(BPF_PROG_ATTACH, &attach).map(drop)
}

fn bpf<T>(command: libc::c_int, attributes: &T) -> nix::Result<libc::c_int> {
    // SAFETY: the kernel reads `size_of::<T>()` bytes of `attributes`, and what they point to, which all outlive the call.
    let answer =
        unsafe { libc::syscall(libc::SYS_bpf, command, std::ptr::from_ref(attributes), size_of::<T>()) };
    Errno::result(answer).map(|answer| libc::c_int::try_from(answer).unwrap_or_default())
}
