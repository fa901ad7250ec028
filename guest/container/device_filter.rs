//! The devices that the container's processes may open, as in docker: those that every container has, and those that the request
//! names. A process that may make device nodes can make one for any device, so the kernel checks each open.
//!
//! Neither the machine's disk, which has the container's own root, nor its console, which is a log on the host, is among them.
//! Made by the zygote, beside the container's cgroup. Version 2 of cgroups has device rules only as a program (Linux
//! `Documentation/admin-guide/cgroup-v2.rst`, "Device controller").
#![allow(unsafe_code, reason = "bpf(2) has no wrapper")]

use std::{
    mem::size_of,
    os::fd::{AsRawFd as _, BorrowedFd, FromRawFd as _, OwnedFd},
};

use nix::{errno::Errno, libc};

/// Constants of `include/uapi/linux/bpf.h`.
const BPF_PROG_LOAD: libc::c_int = 5;
const BPF_PROG_ATTACH: libc::c_int = 8;
const BPF_PROG_TYPE_CGROUP_DEVICE: u32 = 15;
const BPF_CGROUP_DEVICE: u32 = 6;

/// A kind of device, numbered as `BPF_DEVCG_DEV_BLOCK` and `BPF_DEVCG_DEV_CHAR`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DeviceKind {
    /// A block device.
    Block = 1,
    /// A character device.
    Character = 2,
}

/// Devices that may be opened.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DeviceRule {
    /// The kind of device.
    pub kind: DeviceKind,
    /// The major number.
    pub major: u32,
    /// The minor number, or `None` for any.
    pub minor: Option<u32>,
}

/// Major and minor numbers of the character devices that docker allows in every container (moby, oci/defaults.go; runc, specconv
/// `AllowedDevices`), except the console: in docker that is a terminal of the container's own.
const DEFAULT: [(u32, Option<u32>); 8] = [
    // null, zero, full, random, urandom
    (1, Some(3)),
    (1, Some(5)),
    (1, Some(7)),
    (1, Some(8)),
    (1, Some(9)),
    // tty, ptmx, and the terminals of devpts
    (5, Some(0)),
    (5, Some(2)),
    (136, None),
];

/// `struct bpf_insn`: code; registers, the destination in the low half and the source in the high one; offset; immediate.
#[repr(C)]
#[derive(Debug, Clone, Copy)]
struct Instruction(u8, u8, i16, i32);

/// Codes of the instructions in use (Linux `Documentation/bpf/instruction-set.rst`).
const LOAD: u8 = 0x61;
const MOVE: u8 = 0xb7;
const COPY: u8 = 0xbf;
const AND: u8 = 0x57;
const SHIFT_RIGHT: u8 = 0x77;
const JUMP_NOT_EQUAL: u8 = 0x55;
const EXIT: u8 = 0x95;

/// The program that allows the default devices and `more`, and allows to make any node. Register 1 points to `struct
/// bpf_cgroup_dev_ctx`: the access (1 makes a node, 2 reads, 4 writes) above the kind, major, minor. The answer is register 0: 0
/// forbids.
fn program(more: &[DeviceRule]) -> Vec<Instruction> {
    let mut program = vec![
        // r2 = access and kind, r3 = kind
        Instruction(LOAD, 0x12, 0, 0),
        Instruction(COPY, 0x23, 0, 0),
        Instruction(AND, 0x03, 0, 0xffff),
        // r2 = reads and writes; neither: allow
        Instruction(SHIFT_RIGHT, 0x02, 0, 16),
        Instruction(AND, 0x02, 0, 6),
        Instruction(JUMP_NOT_EQUAL, 0x02, 2, 0),
        Instruction(MOVE, 0x00, 0, 1),
        Instruction(EXIT, 0x00, 0, 0),
        // r4 = major, r5 = minor
        Instruction(LOAD, 0x14, 4, 0),
        Instruction(LOAD, 0x15, 8, 0),
    ];
    let default = DEFAULT.map(|(major, minor)| DeviceRule { kind: DeviceKind::Character, major, minor });
    for rule in default.iter().chain(more) {
        let minor = rule.minor.map(|minor| Instruction(JUMP_NOT_EQUAL, 0x05, 2, minor.cast_signed()));
        // Skips the rest of this rule.
        let rest = if minor.is_some() { 3 } else { 2 };
        program.push(Instruction(JUMP_NOT_EQUAL, 0x03, rest + 1, rule.kind as i32));
        program.push(Instruction(JUMP_NOT_EQUAL, 0x04, rest, rule.major.cast_signed()));
        program.extend(minor);
        program.push(Instruction(MOVE, 0x00, 0, 1));
        program.push(Instruction(EXIT, 0x00, 0, 0));
    }
    program.push(Instruction(MOVE, 0x00, 0, 0));
    program.push(Instruction(EXIT, 0x00, 0, 0));
    program
}

/// The start of `union bpf_attr` for `BPF_PROG_LOAD`. The other fields are zero and may be left out.
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

/// Forbids the processes of the group whose directory is `cgroup`, and of the groups below, to open any device but the default ones
/// and `more`.
///
/// # Errors
/// Fails as `bpf(2)` does.
pub fn filter_devices(cgroup: BorrowedFd<'_>, more: &[DeviceRule]) -> nix::Result<()> {
    let program = program(more);
    let load = Load {
        kind: BPF_PROG_TYPE_CGROUP_DEVICE,
        count: u32::try_from(program.len()).unwrap_or_default(),
        instructions: program.as_ptr().addr() as u64,
        license: c"".as_ptr().addr() as u64,
    };
    let loaded = bpf(BPF_PROG_LOAD, &load)?;
    // SAFETY: the kernel has just made this descriptor, and nothing else owns it.
    let loaded = unsafe { OwnedFd::from_raw_fd(loaded) };
    let attach = Attach {
        target: cgroup.as_raw_fd().cast_unsigned(),
        program: loaded.as_raw_fd().cast_unsigned(),
        kind: BPF_CGROUP_DEVICE,
        flags: 0,
    };
    // The group keeps the program from here on.
    bpf(BPF_PROG_ATTACH, &attach).map(drop)
}

fn bpf<T>(command: libc::c_int, attributes: &T) -> nix::Result<libc::c_int> {
    // SAFETY: the kernel reads `size_of::<T>()` bytes of `attributes`, and what they point to, which all outlive the call.
    let answer =
        unsafe { libc::syscall(libc::SYS_bpf, command, std::ptr::from_ref(attributes), size_of::<T>()) };
    Errno::result(answer).map(|answer| libc::c_int::try_from(answer).unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The answer of the program, which also checks that no jump leaves it.
    fn allows(program: &[Instruction], access: u32, kind: u32, major: u32, minor: u32) -> bool {
        let mut registers = [0_i64; 16];
        let mut next = 0;
        loop {
            let Instruction(code, names, offset, immediate) = program[next];
            let (to, from) = (usize::from(names & 15), usize::from(names >> 4));
            next += 1;
            let skip = usize::try_from(offset).expect("forward");
            match code {
                LOAD => registers[to] = [access << 16 | kind, major, minor][skip / 4].into(),
                MOVE => registers[to] = immediate.into(),
                COPY => registers[to] = registers[from],
                AND => registers[to] &= i64::from(immediate),
                SHIFT_RIGHT => registers[to] >>= immediate,
                JUMP_NOT_EQUAL if registers[to] != immediate.into() => next += skip,
                JUMP_NOT_EQUAL => {}
                EXIT => return registers[0] != 0,
                other => panic!("code {other:#x}"),
            }
        }
    }

    #[test]
    fn any_node_may_be_made_and_only_the_default_devices_opened() {
        let program = program(&[]);
        for (kind, major, minor) in [(2, 5, 1), (2, 10, 229), (2, 10, 200), (1, 254, 0), (1, 7, 0), (2, 1, 1)]
        {
            assert!(allows(&program, 1, kind, major, minor), "mknod {kind} {major}:{minor}");
            for access in [2, 4, 6, 7] {
                assert!(!allows(&program, access, kind, major, minor), "open {kind} {major}:{minor}");
            }
        }
        for (major, minor) in [(1, 3), (1, 5), (1, 7), (1, 8), (1, 9), (5, 0), (5, 2), (136, 0), (136, 77)] {
            assert!(allows(&program, 6, 2, major, minor), "open {major}:{minor}");
            assert!(!allows(&program, 6, 1, major, minor), "a block device is another one");
        }
    }

    #[test]
    fn what_is_asked_for_may_be_opened_too() {
        let loops = DeviceRule { kind: DeviceKind::Block, major: 7, minor: None };
        let fuse = DeviceRule { kind: DeviceKind::Character, major: 10, minor: Some(229) };
        let program = program(&[fuse, loops]);
        assert!(allows(&program, 6, 2, 10, 229) && allows(&program, 2, 1, 7, 3));
        assert!(!allows(&program, 6, 2, 10, 200) && !allows(&program, 2, 2, 7, 3));
    }
}
