//! The shim as the runtime sees it: a process that is spawned with a paper, watched, and ended.
//!
//! The pipeline spawns one for each start; the box's machine holds it; its end is what ends the machine.

mod controller;
mod outcome;

pub(crate) use controller::ShimController;
pub(crate) use outcome::{ShimOutcome, console_excerpt};
