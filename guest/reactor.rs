//! Registers owned descriptors with tokio's reactor.
//!
//! Called by `execution`, `files`, `supervision`, `transport` and `zygote`.
#![allow(unsafe_code, reason = "AsyncFd requires that the descriptor stays the same")]

use std::{io, os::fd::OwnedFd};

use tokio::io::{Interest, unix::AsyncFd};

/// Watches `fd`, which must be in non-blocking mode.
pub(crate) fn watch(fd: OwnedFd, interest: Interest) -> io::Result<AsyncFd<OwnedFd>> {
    // SAFETY: an OwnedFd gives the same open descriptor until it is dropped, and it is moved into the AsyncFd.
    unsafe { AsyncFd::register_with_interest(fd, interest) }.map_err(Into::into)
}
