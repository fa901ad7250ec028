//! Reaping and signalling processes by number, real-time signals included (nix's types have no names for those).
//!
//! Called by `init`, `children` and `stop`.
#![allow(unsafe_code, reason = "waitpid(2), waitid(2) and kill(2) with raw signal numbers")]

use nix::{errno::Errno, libc, unistd::Pid};

/// A child that was reaped, and how it ended.
#[derive(Debug, Clone, Copy)]
pub(super) struct Reaped {
    pub(super) pid: Pid,
    /// Exit code, where `signal` is 0.
    pub(super) code: i32,
    pub(super) signal: i32,
}

/// Reaps one child that has exited, if there is any.
pub(super) fn reap_one() -> Option<Reaped> {
    loop {
        let mut status = 0;
        // SAFETY: `status` outlives the call.
        let pid = unsafe { libc::waitpid(-1, &raw mut status, libc::WNOHANG) };
        match Errno::result(pid) {
            Err(Errno::EINTR) => {}
            Err(_) | Ok(0) => return None,
            Ok(pid) => {
                let signal = if libc::WIFSIGNALED(status) { libc::WTERMSIG(status) } else { 0 };
                let code = if libc::WIFEXITED(status) { libc::WEXITSTATUS(status) } else { 0 };
                return Some(Reaped { pid: Pid::from_raw(pid), code, signal });
            }
        }
    }
}

/// Whether this process has no children at all, not even one that is to be reaped.
pub(super) fn is_childless() -> bool {
    // SAFETY: an all-zero siginfo is a valid out parameter, and it outlives the call.
    let answer = unsafe {
        let mut info: libc::siginfo_t = std::mem::zeroed();
        libc::waitid(libc::P_ALL, 0, &raw mut info, libc::WEXITED | libc::WNOHANG | libc::WNOWAIT)
    };
    Errno::result(answer) == Err(Errno::ECHILD)
}

/// Signals the process group of `leader`, or `leader` alone if it does not lead a group yet.
pub(super) fn signal_group(leader: Pid, signal: i32) -> nix::Result<()> {
    match kill(-leader.as_raw(), signal) {
        Err(Errno::ESRCH) => kill(leader.as_raw(), signal),
        sent => sent,
    }
}

fn kill(target: i32, signal: i32) -> nix::Result<()> {
    // SAFETY: kill(2) takes two numbers.
    Errno::result(unsafe { libc::kill(target, signal) }).map(drop)
}
