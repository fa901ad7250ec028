//! Prepares the process to run a hostile guest: a session of its own, no inherited descriptors but its three streams, no new
//! privileges, no core dump. Called by `machine` before any thread is started; `report` and `lifeline` call [`exit`].

#![allow(unsafe_code, reason = "closing all descriptors and exiting at once are raw system calls")]

use std::{ffi::CString, fs, path::Path};

use boxlite_spec::{ShimExit, ShimReport};
use nix::{
    libc,
    sys::{
        prctl,
        resource::{Resource, getrlimit, setrlimit},
        signal::{SigHandler, SigSet, Signal, signal},
        stat::{Mode, umask},
    },
    unistd::{close, setsid},
};

/// The runtime's signal that the box's deadline has changed.
pub(crate) const DEADLINE_CHANGED: Signal = Signal::SIGUSR1;

/// The signals that `lifeline` receives. All but [`DEADLINE_CHANGED`] end the box.
pub(crate) const RECEIVED: [Signal; 4] = [Signal::SIGTERM, Signal::SIGINT, Signal::SIGHUP, DEADLINE_CHANGED];

/// Isolates the process for the box `id`.
pub(crate) fn isolate(id: &str) -> Result<(), ShimReport> {
    let step = |what: &str, done: nix::Result<()>| {
        done.map_err(|errno| ShimReport::new(ShimExit::Resource, format!("{what}: {errno}")))
    };
    // The host's terminal sends signals to its own group. This fails only if the process leads a group already.
    let _ = setsid();
    close_inherited();
    step("set no_new_privs", prctl::set_no_new_privs())?;
    // The guest's memory must not be readable through ptrace or a core file.
    step("clear dumpable", prctl::set_dumpable(false))?;
    step("forbid core files", setrlimit(Resource::RLIMIT_CORE, 0, 0))?;
    let files = Resource::RLIMIT_NOFILE;
    step("raise the limit of files", getrlimit(files).and_then(|(_, most)| setrlimit(files, most, most)))?;
    // Files and sockets are for this user alone. A socket's mode is what bind(2) leaves of 0777.
    umask(Mode::from_bits_truncate(0o177));
    // Every thread inherits the mask. QEMU's mask is emptied when it is started.
    step("block signals", RECEIVED.into_iter().collect::<SigSet>().thread_block())?;
    // The kernel truncates the name to 15 bytes.
    if let Ok(name) = CString::new(format!("boxlite-{id}")) {
        step("set the process's name", prctl::set_name(&name))?;
    }
    Ok(())
}

/// Sets SIGCHLD to its default, so that a child's status is available until it is waited for. A host program that ignores the signal
/// passes that on to the programs that it starts.
pub(crate) fn reset_sigchld() {
    // SAFETY: no handler of ours is set or replaced; the default action does nothing.
    let _ = unsafe { signal(Signal::SIGCHLD, SigHandler::SigDfl) };
}

/// Closes all descriptors but standard input, output and error. A host program may have descriptors that are not close-on-exec.
fn close_inherited() {
    // SAFETY: no value of this program owns a descriptor above 2 yet.
    let closed = unsafe { libc::syscall(libc::SYS_close_range, 3, libc::c_uint::MAX, 0) };
    if closed == 0 {
        return;
    }
    // Linux before 5.9 has no close_range.
    for entry in fs::read_dir(Path::new("/proc/self/fd")).into_iter().flatten().flatten() {
        let fd = entry.file_name().to_str().and_then(|name| name.parse::<i32>().ok());
        let _ = fd.filter(|&fd| fd > 2).map(close);
    }
}

/// Ends the process and all of its threads at once, without exit handlers: there is nothing left for them to save.
pub(crate) fn exit(status: u8) -> ! {
    // SAFETY: this ends the process; none of its code runs afterwards.
    unsafe { libc::_exit(libc::c_int::from(status)) }
}
