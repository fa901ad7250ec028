//! Executions: one process of the container each, with its streams, from its start until its output is delivered.
//!
//! Called by the Execution service; calls `zygote`. An [`Execution`] is found in the [`Executions`] table by the id
//! that the host chose. Nothing is lost and nothing grows: output is read from the pipe only when an [`Attachment`] has
//! room for it, so a reader that stops stops the writer, and what was sent stays for a while in a bounded [`Replay`].
//!
//! The exit is an attachment's last event. It comes when both streams have ended; where a child in the background keeps
//! one open, it comes when all that was in the pipe at the exit is delivered and the stream has then been quiet for
//! 20 ms, or for 200 ms after the exit at most.

mod about;
mod attachment;
mod env;
mod input;
mod keeper;
mod kept;
mod oom;
mod output;
mod pipe;
mod process;
mod purpose;
mod reader;
mod readers;
mod replay;
mod start;
mod table;

pub use attachment::{Attachment, Offsets, Output};
pub use env::Defaults;
pub use oom::OomEvents;
pub use process::{Execution, Phase};
pub use purpose::{Purpose, Tap};
pub use replay::{Replay, TooOld};
pub use table::{Executions, MAIN};
