//! Forking the zygote off the agent.
//!
//! Called by `main.rs`, after the early mounts and before tokio; calls `serve` in the child.
#![allow(unsafe_code, reason = "fork(2)")]

use std::os::fd::OwnedFd;

use nix::{
    sys::socket::{AddressFamily, SockFlag, SockType, socketpair},
    unistd::{ForkResult, fork},
};

use super::serve::serve;
use crate::{Context as _, Result};

/// The agent's end of the line to the zygote; [`super::Zygote::new`] takes it once tokio runs.
#[derive(Debug)]
pub struct Side(pub(super) OwnedFd);

/// Forks the zygote. Returns in the agent only.
///
/// Call it while the process has one thread: the child goes on to allocate and to fork.
pub fn launch() -> Result<Side> {
    let (agent, zygote) = socketpair(AddressFamily::Unix, SockType::SeqPacket, None, SockFlag::SOCK_CLOEXEC)
        .context(|| "make the zygote's socket pair")?;
    // SAFETY: the process has a single thread (this function's contract), so every lock and the allocator are in a
    // consistent state in the child.
    match unsafe { fork() }.context(|| "fork the zygote")? {
        ForkResult::Parent { .. } => Ok(Side(agent)),
        ForkResult::Child => {
            drop(agent);
            serve(&zygote)
        }
    }
}
