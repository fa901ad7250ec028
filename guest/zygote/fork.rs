//! The two ways in which a process is born here, both by `clone3` and into a control group: [`fork_into`] copies this
//! process, [`Nursery::bear`] lends it to the child until that has become another program.
//!
//! Called by `birth` for the container's init, and by `spawn` for every execution.
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

/// `include/uapi/linux/sched.h`; the libc crate's constant is too narrow to hold it.
const CLONE_INTO_CGROUP: u64 = 0x2_0000_0000;

/// Bytes of the stack that children use before they are programs.
const STACK: usize = 256 * 1024;

/// Bytes below it that nothing may touch.
const GUARD: usize = 4096;

/// Forks, the child in the group whose directory `cgroup` is and in new `namespaces` (flags of clone(2)). `None` in the
/// child.
///
/// `CLONE_INTO_CGROUP` and not a write to cgroup.procs: moving a process takes a lock that waits for an RCU grace
/// period, milliseconds of every start.
///
/// # Safety
///
/// The process must have a single thread: then no lock is held in the child, which may allocate and go on as usual.
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
pub(super) struct Nursery(NonNull<libc::c_void>);

impl Nursery {
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
    /// identity and signals of its own, while this process waits until it has become a program or is gone. Copying the
    /// memory map instead costs a third of a short execution.
    ///
    /// What `child` leaves behind in `T` is there afterwards; what it allocates and does not free is lost.
    ///
    /// # Safety
    ///
    /// The process must have a single thread.
    pub(super) unsafe fn bear<T>(
        &mut self,
        cgroup: Option<BorrowedFd<'_>>,
        state: &mut T,
        child: fn(&mut T) -> Never,
    ) -> nix::Result<Pid> {
        let mut args = clone_args(libc::CLONE_VM | libc::CLONE_VFORK, cgroup);
        args.stack = self.0.as_ptr().addr() as u64 + GUARD as u64;
        args.stack_size = STACK as u64;
        let mut cradle = Cradle { state, child };
        // SAFETY: the stack is mapped, and free: this process has one thread, which waits here for the one child there is.
        let answer = unsafe { clone_and_enter(&args, enter::<T>, (&raw mut cradle).cast()) };
        let pid = Errno::result(answer)?;
        Ok(Pid::from_raw(i32::try_from(pid).unwrap_or_default()))
    }
}

/// What a child's function returns: it ends its process instead.
pub(super) enum Never {}

struct Cradle<'a, T> {
    state: &'a mut T,
    child: fn(&mut T) -> Never,
}

/// The child's first frame. `extern "C"`: a panic ends the child here.
extern "C" fn enter<T>(cradle: *mut libc::c_void) -> ! {
    // SAFETY: `bear` gave the address of its cradle, and waits.
    let cradle = unsafe { &mut *cradle.cast::<Cradle<'_, T>>() };
    match (cradle.child)(cradle.state) {}
}

/// `clone3`, the child going to `enter` on the stack that `args` names.
#[cfg(target_arch = "x86_64")]
unsafe fn clone_and_enter(
    args: &libc::clone_args,
    enter: extern "C" fn(*mut libc::c_void) -> !,
    cradle: *mut libc::c_void,
) -> libc::c_long {
    let answer: libc::c_long;
    // SAFETY: syscall(2) clobbers rcx and r11. The child has 0 in rax and a fresh stack, aligned as the ABI wants it before
    // a call; it never comes back to this frame.
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
            in("r12") cradle,
            in("r13") enter,
            lateout("rcx") _,
            lateout("r11") _,
        );
    }
    if answer < 0 {
        // As libc's wrappers do, so that one way of reading answers serves all.
        Errno::set_raw(i32::try_from(-answer).unwrap_or_default());
        return -1;
    }
    answer
}

fn clone_args(flags: libc::c_int, cgroup: Option<BorrowedFd<'_>>) -> libc::clone_args {
    // SAFETY: clone_args is a plain struct of integers, for which zero means "not wanted".
    let mut args: libc::clone_args = unsafe { std::mem::zeroed() };
    args.flags = flags.unsigned_abs().into();
    args.exit_signal = libc::SIGCHLD.unsigned_abs().into();
    if let Some(cgroup) = cgroup {
        args.flags |= CLONE_INTO_CGROUP;
        args.cgroup = cgroup.as_raw_fd().unsigned_abs().into();
    }
    args
}
