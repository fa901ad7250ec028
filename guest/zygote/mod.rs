//! The zygote: a small single-threaded process, forked before tokio starts, that becomes the container's init and forks
//! every execution. A process with threads can't fork safely, so all forking happens there.
//!
//! ```text
//! agent (PID 1, tokio) ── seqpacket ── zygote ─ clone3(new namespaces, container's cgroup) ─ init (PID 1 in there)
//!                                      (exits)                                               └─ fork ─ execution …
//! ```
//!
//! If the main process is to be the container's pid 1, the zygote clones a process that becomes it, joins all namespaces but
//! that of pids, and serves executions from outside (`main_init`).
//!
//! [`launch()`] forks it. [`Zygote`] is the agent's handle, over a `connection` of its own. `serve` is the loop on the other side:
//! `clone_init` clones the container's `init`, `stop` ends it, and `spawn` is what a forked child does until it executes the
//! `program`. [`message`] has their messages, which `wire` carries with file descriptors.

mod children;
mod clone_init;
mod connection;
mod fork;
mod handle;
mod inherited;
mod init;
mod interpreter;
mod launch;
mod main_init;
pub mod message;
mod process;
mod program;
mod serve;
mod spawn;
mod stop;
mod terminal;
mod wire;

pub use connection::{OnExit, Started};
pub use handle::Zygote;
pub use launch::{AgentSocket, launch};
pub(crate) use terminal::resize;
