//! Threads that serve the guest beside the machine. Called by `console`, `journal` and `clock`.

use std::thread;

use boxlite_spec::ShimExit;

use crate::error::{Context as _, Result};

/// The stack of a thread, in bytes: a few times what any of them uses.
const STACK: usize = 128 << 10;

/// Starts a thread called `name`, which ends with the process if not before.
pub(crate) fn spawn(name: &str, run: impl FnOnce() + Send + 'static) -> Result<()> {
    let thread = thread::Builder::new().name(name.into()).stack_size(STACK).spawn(run);
    thread.map(drop).context(ShimExit::Resource, "start thread", name)
}
