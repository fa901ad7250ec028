//! `LiteBox`: the handle to one box. Made by `BoxliteRuntime`, used by callers from any thread.
//!
//! `lifecycle` brings the machine up (once, however many callers wait) and down; `machine` is what exists while it
//! runs; `execution` is one process in it; `record` is what stays on disk.

mod execution;
mod handle;
mod info;
mod lifecycle;
mod machine;
mod record;

pub use execution::{ExecEvent, Execution};
pub use handle::LiteBox;
pub use info::{BoxInfo, BoxState};
pub(crate) use machine::Machine;
pub(crate) use record::{BoxConfig, BoxRecord, ResolvedImage};
