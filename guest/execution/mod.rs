//! Executions: one process of the container each, with its streams, from its start until its output is delivered.
//!
//! Called by the Execution service and `supervision`; calls `zygote`. An [`Execution`] is found in the [`Executions`] table by
//! the id that the host chose. Nothing is lost and nothing grows: output is read from the pipe only when an [`Attachment`] has
//! room for it, so a reader that stops stops the writer, and what was sent stays for a while in a bounded [`Replay`].
//!
//! The exit is an attachment's last event. It comes when both streams have ended. Where a process in the background keeps one
//! open, it comes when all that was in the pipe at the exit is delivered and the stream has then been quiet for 20 ms. After
//! 200 ms it comes in any case, as soon as what was in the pipe then is delivered.
//!
//! From the bottom up: `pipe`, `replay`, `output_stream`, `stdin`, `readers`, `purpose` and `summary` make up the `state` of an
//! execution.
//! `drain` reads it, for readers (`reader_guard`, `attachment`) and while there is none (`background`). `stdin_writer` writes
//! to it. `table` holds all of them (`entries`, `budget`), and `start` begins them.

mod attachment;
mod background;
mod budget;
mod drain;
mod entries;
mod env;
mod id;
mod oom;
mod output_stream;
mod pipe;
mod purpose;
mod reader_guard;
mod readers;
mod replay;
mod start;
mod state;
mod stdin;
mod stdin_writer;
mod stdio;
mod summary;
mod table;

pub use attachment::{Attachment, Offsets, Output};
pub use entries::MAIN;
pub use env::Defaults;
pub use oom::OomEvents;
pub use purpose::{Purpose, Tap};
pub use replay::{Replay, TooOld};
pub use state::{Execution, Phase};
pub use stdin_writer::StdinWriter;
pub use table::Executions;
