//! The files of a box: single operations, streams, copies of trees, and watches.

mod archive_error;
pub(crate) mod archive_writer;
mod contents;
pub(crate) mod copy_in;
pub(crate) mod copy_out;
mod directory;
pub(crate) mod open_file;
pub(crate) mod pending_watches;
pub(crate) mod remove;
pub(crate) mod stream;
mod upload;
pub(crate) mod verbs;
mod watch;
pub(crate) mod writer;
