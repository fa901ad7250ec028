//! Makes the process fit to hold a hostile guest: a session of its own, nothing inherited but its three streams, no
//! new privileges, no core dump. Called by `machine` before any thread is started.

#![allow(unsafe_code, reason = "closing all descriptors and leaving at once are raw system calls")]

use std::{ffi::CString, fs, path::Path};

use boxlite_spec::{ShimExit, ShimReport};
use nix::{
    errno::Errno,
    libc,
    sys::{
        prctl,
        resource::{Resource, getrlimit, setrlimit},
        signal::{SigHandler, SigSet, Signal, signal},
        stat::{Mode, umask},
    },
    unistd::{close, setsid},
};

use crate::report;

/// Says that the box's deadline has changed.
pub(crate) const AMENDED: Signal = Signal::SIGUSR1;

/// The signals that `lifeline` receives: all but [`AMENDED`] end the box.
pub(crate) const HEARD: [Signal; 4] = [Signal::SIGTERM, Signal::SIGINT, Signal::SIGHUP, AMENDED];

/// Settles the process for the box `id`.
pub(crate) fn settle(id: &str) -> Result<(), ShimReport> {
    let fail = |what: &str, errno: Errno| report::new(ShimExit::Resource, format!("{what}: {errno}"));
    // The host's terminal signals its own group. Fails only for a process that leads one already.
    let _ = setsid();
    close_inherited();
    prctl::set_no_new_privs().map_err(|errno| fail("set no_new_privs", errno))?;
    // Neither ptrace nor a core file may read the guest's memory.
    prctl::set_dumpable(false).map_err(|errno| fail("clear dumpable", errno))?;
    setrlimit(Resource::RLIMIT_CORE, 0, 0).map_err(|errno| fail("forbid core files", errno))?;
    let (_, most) =
        getrlimit(Resource::RLIMIT_NOFILE).map_err(|errno| fail("read the limit of files", errno))?;
    setrlimit(Resource::RLIMIT_NOFILE, most, most)
        .map_err(|errno| fail("raise the limit of files", errno))?;
    // Files and sockets for this user alone; a socket's mode is what bind(2) leaves of 0777.
    umask(Mode::from_bits_truncate(0o177));
    // Inherited by every thread; QEMU's mask is emptied when it is started.
    HEARD.into_iter().collect::<SigSet>().thread_block().map_err(|errno| fail("block signals", errno))?;
    // The kernel keeps 15 bytes.
    if let Ok(name) = CString::new(format!("boxlite-{id}")) {
        prctl::set_name(&name).map_err(|errno| fail("set the process's name", errno))?;
    }
    Ok(())
}

/// Has the kernel keep the end of a child until it is waited for: a program that ignores SIGCHLD passes that on to what it starts.
pub(crate) fn heed_children() {
    // SAFETY: no handler of ours is set or replaced; the default does nothing and keeps the child.
    let _ = unsafe { signal(Signal::SIGCHLD, SigHandler::SigDfl) };
}

/// Closes all but standard input, output and error. Node marks its descriptors close-on-exec, others may not.
fn close_inherited() {
    // SAFETY: at this point no value of this program owns a descriptor above 2.
    let closed = unsafe { libc::syscall(libc::SYS_close_range, 3, libc::c_uint::MAX, 0) };
    if closed == 0 {
        return;
    }
    // Before Linux 5.9.
    for entry in fs::read_dir(Path::new("/proc/self/fd")).into_iter().flatten().flatten() {
        if let Some(fd) =
            entry.file_name().to_str().and_then(|name| name.parse::<i32>().ok()).filter(|&fd| fd > 2)
        {
            let _ = close(fd);
        }
    }
}

/// Ends the process with every thread in it, past all handlers: nothing is left that they could save.
pub(crate) fn leave(status: u8) -> ! {
    // SAFETY: ends the process; no code of it runs on.
    unsafe { libc::_exit(libc::c_int::from(status)) }
}
