//! The files of a box: single operations, streams, copies of trees, and watches.

mod archive_error;
pub(crate) mod archive_writer;
pub(crate) mod copy_in;
pub(crate) mod copy_out;
pub(crate) mod open_file;
pub(crate) mod pending_watches;
pub(crate) mod stream;
pub(crate) mod verbs;
pub(crate) mod writer;
