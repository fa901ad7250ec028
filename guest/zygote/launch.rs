//! Forking the zygote from the agent.
//!
//! Called by `main.rs`, after the early mounts and before tokio starts; calls `serve` in the child.
#![allow(unsafe_code, reason = "fork(2) and close_range(2)")]

use std::os::fd::{AsRawFd as _, OwnedFd};

use nix::{
    libc::{self, c_uint},
    sys::socket::{AddressFamily, SockFlag, SockType, socketpair},
    unistd::{ForkResult, fork},
};

use super::serve::serve;
use crate::{Context as _, Result};

/// The agent's end of the socket to the zygote. [`super::Zygote::new`] takes it once tokio runs.
#[derive(Debug)]
pub struct AgentSocket(pub(super) OwnedFd);

/// Forks the zygote. Returns in the agent only.
///
/// Call it while the process has one thread, since the child allocates and forks.
///
/// # Errors
///
/// The kernel refuses the socket pair or the fork.
pub fn launch() -> Result<AgentSocket> {
    let (agent, zygote) = socketpair(AddressFamily::Unix, SockType::SeqPacket, None, SockFlag::SOCK_CLOEXEC)
        .context(|| "make the zygote's socket pair")?;
    // SAFETY: the process has a single thread (this function's contract), so every lock and the allocator are in a
    // consistent state in the child.
    match unsafe { fork() }.context(|| "fork the zygote")? {
        ForkResult::Parent { .. } => Ok(AgentSocket(agent)),
        ForkResult::Child => {
            drop(agent);
            close_all_but(&zygote);
            serve(&zygote)
        }
    }
}

/// Closes every descriptor above stderr but `kept`. The zygote needs no other, and one that stayed open could be another
/// zygote's socket, since tests launch several: neither zygote would then see its agent exit, and both would run for ever.
fn close_all_but(kept: &OwnedFd) {
    let kept = kept.as_raw_fd().cast_unsigned();
    let close = |first: c_uint, last: c_uint| {
        if first <= last {
            // SAFETY: this process was forked a moment ago and owns none of these descriptors through a Rust value that
            // it will use or drop: `serve` never returns.
            unsafe { libc::syscall(libc::SYS_close_range, first, last, 0) };
        }
    };
    close(3, kept.saturating_sub(1));
    close(kept + 1, c_uint::MAX);
}
