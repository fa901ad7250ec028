//! The files of a box: single operations, streams, copies of trees, and watches.

pub(crate) mod copy;
pub(crate) mod directory;
pub(crate) mod verbs;
pub(crate) mod watches;
