//! What programs inherit from the process that executes them: a standard input and the action of SIGPIPE.
//!
//! Prepared once by `init` and by `main_init`, when the container's root is their own.

use nix::{
    fcntl::{OFlag, open},
    sys::{
        signal::{SigHandler, Signal, signal},
        stat::Mode,
    },
    unistd::dup2_stdin,
};

use crate::{Context as _, Result};

/// Sets both.
pub(super) fn prepare() -> Result<()> {
    let null =
        open("/dev/null", OFlag::O_RDWR | OFlag::O_CLOEXEC, Mode::empty()).context(|| "open /dev/null")?;
    // Executions without input inherit it.
    dup2_stdin(&null).context(|| "make /dev/null the standard input")?;
    restore_sigpipe()
}

/// Rust ignores SIGPIPE, and programs would inherit that.
#[allow(unsafe_code, reason = "signal(2)")]
fn restore_sigpipe() -> Result<()> {
    // SAFETY: the default action is installed, no handler.
    unsafe { signal(Signal::SIGPIPE, SigHandler::SigDfl) }.map(drop).context(|| "restore SIGPIPE")
}
