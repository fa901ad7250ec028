//! Writes the guest's journal to the host's disk: a socket receives it, and two files of bounded size hold it.
//!
//! Opened by `terminator` if the spec has a journal. The guest is untrusted: its stream is split at record borders
//! (`wire/frame.rs`), records are not parsed, and a stream that can't be split ends the journal.

mod file;
mod intake;

pub(crate) use intake::Journal;
