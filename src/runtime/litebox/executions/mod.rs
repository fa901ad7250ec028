//! Commands in a box: their output, input, end, and the bounds of all three.

pub(crate) mod collect;
pub(crate) mod deadline_guard;
pub(crate) mod execution;
pub(crate) mod info;
pub(crate) mod spawn;
pub(crate) mod stdin;
