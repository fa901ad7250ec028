//! Commands in a box: their start, output, input and end, and the bounds of each.

pub(crate) mod collect;
pub(crate) mod deadline_guard;
pub(crate) mod execution;
mod output;
pub(crate) mod shell;
pub(crate) mod spawn;
mod stdin;
