//! `LiteBox`: the handle to one box. Made by `BoxliteRuntime`, used by callers from any thread.
//!
//! `lifecycle` brings the machine up (once, however many callers wait) and down, in a `transition` that no other process
//! crosses; `start` is a start that may be cut short, `removal` its removal; `state` is the table of what is allowed when. `machine` is what exists while it runs; `execution` is one
//! process in it, `collect` reads all that it writes, and `overtime` bounds what comes after its timeout; `files` are its
//! files and `copy` moves whole trees; `record` is what stays on disk, and `standing` what that means now.

pub(crate) mod executions;
pub(crate) mod files;
pub(crate) mod handle;
pub(crate) mod lifecycle;
pub(crate) mod observation;
