//! The two ways in which the zygote makes a process, both by `clone3` and into a control group: [`fork_into`] copies this
//! process, and [`VforkStack::spawn`] lends its memory to the child until the child has become another program.
//!
//! Called by `clone_init` for the container's init, and by `spawn` for every execution.
#![allow(unsafe_code, reason = "clone3(2) has no wrapper, and a child on a stack of its own takes assembly")]

use std::{
    mem::size_of,
    num::NonZero,
    os::fd::{AsRawFd as _, BorrowedFd},
    ptr::NonNull,
};

use nix::{
    errno::Errno,
    libc,
    sys::mman::{MapFlags, ProtFlags, mmap_anonymous, mprotect},
    unistd::Pid,
};

/// Defined in `include/uapi/linux/sched.h`. The libc crate's constant is too narrow to hold it.
const CLONE_INTO_CGROUP: u64 = 0x2_0000_0000;

/// Bytes of the stack that children use before they execute their programs.
const STACK: usize = 256 * 1024;

/// Bytes below the stack that nothing may touch.
const GUARD: usize = 4096;

/// Forks a child into the group whose directory is `cgroup` and into new `namespaces` (flags of clone(2)). Returns `None` in the
/// child.
///
/// It uses `CLONE_INTO_CGROUP` and no write to cgroup.procs, because moving a process takes a lock that waits for an RCU grace
/// period, which is milliseconds of every start.
///
/// # Safety
///
/// The process must have a single thread. Then no lock is held in the child, which may allocate and go on as usual.
pub(super) unsafe fn fork_into(cgroup: BorrowedFd<'_>, namespaces: libc::c_int) -> nix::Result<Option<Pid>> {
    let args = clone_args(namespaces, Some(cgroup));
    // SAFETY: without CLONE_VM the child runs on its own copy of this stack, as after fork(2). glibc caches no pid (since
    // 2.25).
    let answer = unsafe { libc::syscall(libc::SYS_clone3, &raw const args, size_of::<libc::clone_args>()) };
    let pid = Errno::result(answer)?;
    Ok(i32::try_from(pid).ok().filter(|pid| *pid != 0).map(Pid::from_raw))
}

/// A stack for children that run in this process's own memory, one at a time.
#[derive(Debug)]
pub(super) struct VforkStack(NonNull<libc::c_void>);

impl VforkStack {
    pub(super) fn new() -> nix::Result<Self> {
        let length = NonZero::new(GUARD + STACK).ok_or(Errno::EINVAL)?;
        let flags = MapFlags::MAP_PRIVATE | MapFlags::MAP_STACK;
        // SAFETY: a fresh mapping at an address of the kernel's choice, of which the lowest page is then forbidden.
        unsafe {
            let stack = mmap_anonymous(None, length, ProtFlags::PROT_READ | ProtFlags::PROT_WRITE, flags)?;
            mprotect(stack, GUARD, ProtFlags::PROT_NONE)?;
            Ok(Self(stack))
        }
    }

    /// Runs `child` in a new process, as vfork(2) does: in this process's memory, with descriptors, working directory,
    /// credentials and signals of its own, while this process waits until the child has executed a program or has exited.
    /// Copying the memory map instead costs a third of a short execution.
    ///
    /// What `child` leaves in `T` is there afterwards. What it allocates and does not free is lost.
    ///
    /// # Safety
    ///
    /// The process must have a single thread.
    pub(super) unsafe fn spawn<T>(
        &mut self,
        cgroup: Option<BorrowedFd<'_>>,
        state: &mut T,
        child: fn(&mut T) -> Never,
    ) -> nix::Result<Pid> {
        let mut args = clone_args(libc::CLONE_VM | libc::CLONE_VFORK, cgroup);
        args.stack = self.0.as_ptr().addr() as u64 + GUARD as u64;
        args.stack_size = STACK as u64;
        let mut entry = Entry { state, child };
        // SAFETY: the stack is mapped and free, since this process has one thread, which waits here for its only child.
        let answer = unsafe { clone_and_enter(&args, enter::<T>, (&raw mut entry).cast()) };
        let pid = Errno::result(answer)?;
        Ok(Pid::from_raw(i32::try_from(pid).unwrap_or_default()))
    }
}

/// The return type of a child's function, which ends its process instead of returning.
pub(super) enum Never {}

/// What the child's first frame needs.
struct Entry<'a, T> {
    state: &'a mut T,
    child: fn(&mut T) -> Never,
}

/// The child's first frame. It is `extern "C"`, so a panic aborts the child here.
extern "C" fn enter<T>(entry: *mut libc::c_void) -> ! {
    // SAFETY: `spawn` passed the address of its entry, and waits.
    let entry = unsafe { &mut *entry.cast::<Entry<'_, T>>() };
    match (entry.child)(entry.state) {}
}

/// Calls `clone3`. The child enters `enter` on the stack that `args` names.
#[cfg(target_arch = "x86_64")]
unsafe fn clone_and_enter(
    args: &libc::clone_args,
    enter: extern "C" fn(*mut libc::c_void) -> !,
    entry: *mut libc::c_void,
) -> libc::c_long {
    let answer: libc::c_long;
    // SAFETY: syscall(2) clobbers rcx and r11. The child has 0 in rax and a fresh stack, aligned as the ABI wants it before
    // a call. It never returns to this frame.
    unsafe {
        std::arch::asm!(
            "syscall",
            "test rax, rax",
            "jnz 2f",
            "xor ebp, ebp",
            "mov rdi, r12",
            "call r13",
            "ud2",
            "2:",
            inlateout("rax") libc::SYS_clone3 => answer,
            in("rdi") args,
            in("rsi") size_of::<libc::clone_args>(),
            in("r12") entry,
            in("r13") enter,
            lateout("rcx") _,
            lateout("r11") _,
        );
    }
    if answer < 0 {
        // Set errno as libc's wrappers do, so that `Errno::result` reads this answer too.
        Errno::set_raw(i32::try_from(-answer).unwrap_or_default());
        return -1;
    }
    answer
}

fn clone_args(flags: libc::c_int, cgroup: Option<BorrowedFd<'_>>) -> libc::clone_args {
    // SAFETY: clone_args is a plain struct of integers, for which zero means "not used".
    let mut args: libc::clone_args = unsafe { std::mem::zeroed() };
    args.flags = flags.unsigned_abs().into();
    args.exit_signal = libc::SIGCHLD.unsigned_abs().into();
    if let Some(cgroup) = cgroup {
        args.flags |= CLONE_INTO_CGROUP;
        args.cgroup = cgroup.as_raw_fd().unsigned_abs().into();
    }
    args
}
