//! Keeps libkrun from ending the process. When the guest ends, libkrun calls `_exit` (krun-vmm, `Vmm::stop`), which would skip
//! everything that completes the console and removes the sockets. The definition here replaces libc's at link time: on libkrun's
//! thread it sends the status to the thread that entered the machine; everywhere else it is `_exit`.
//!
//! Called by libkrun; `engine` receives the status.

#![allow(unsafe_code, reason = "replaces a symbol of libc")]

use std::{cell::RefCell, ffi::c_int, sync::mpsc::Sender, thread};

use nix::{errno::Errno, libc};

/// How libkrun ended: the status with which it ends its process, or why the machine could not be started.
pub(super) type Ended = Result<c_int, Errno>;

thread_local! {
    static HANDLER: RefCell<Option<Sender<Ended>>> = const { RefCell::new(None) };
}

/// From now on, this thread's `_exit` sends its status to `handler` instead of ending the process.
pub(super) fn capture(handler: Sender<Ended>) {
    HANDLER.with(|slot| *slot.borrow_mut() = Some(handler));
}

/// `_exit` of POSIX, except on a thread that called [`capture`].
// SAFETY: the name belongs to libc; this has the signature and, outside captured threads, the effect of libc's own.
#[unsafe(no_mangle)]
extern "C" fn _exit(status: c_int) -> ! {
    let handler = HANDLER.try_with(|slot| slot.borrow_mut().take()).ok().flatten();
    if handler.is_some_and(|handler| handler.send(Ok(status)).is_ok()) {
        // The caller holds libkrun's locks and its virtual CPUs are stopped, so this thread must not return.
        loop {
            thread::park();
        }
    }
    loop {
        // SAFETY: ends every thread of the process at once, as _exit(2) does; touches no memory.
        unsafe { libc::syscall(libc::SYS_exit_group, status) };
    }
}
