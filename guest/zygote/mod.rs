//! The zygote: a small single-threaded process, forked before tokio starts, that becomes the container's init and forks
//! every execution. Threads and `fork` don't mix, so all forking happens there.
//!
//! ```text
//! agent (PID 1, tokio) ── seqpacket ── zygote ─ clone3(new namespaces, container's cgroup) ─ init (PID 1 in there)
//!                                      (exits)                                               └─ fork ─ execution …
//! ```
//!
//! Where the main process is to be the container's pid 1, the zygote clones a process that becomes it, joins all namespaces but
//! that of pids, and serves executions from outside (`first`).
//!
//! [`launch()`] forks it; [`Zygote`] is the agent's handle; `serve` is the loop on the other side; `birth` clones the
//! init, `stop` is its end, and `spawn` is what a forked child does until it is the `program`. [`message`] is what they say to each other
//! and `wire` how it travels, file descriptors included.

mod birth;
mod children;
mod first;
mod fork;
mod handle;
mod interpreter;
mod launch;
pub mod message;
mod process;
mod program;
mod serve;
mod spawn;
mod stop;
mod terminal;
mod wire;

pub use handle::{Lot, OnExit, Spawned, Zygote};
pub use launch::{Side, launch};
pub(crate) use terminal::resize;
