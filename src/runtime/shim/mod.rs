//! The shim as the runtime sees it: a process that is spawned with a paper or found by its lock, watched, and ended.
//!
//! The pipeline spawns one for each start, or a transition joins one that runs (`process`); the box's machine holds its
//! `controller`; its end is what ends the machine, and `outcome` says how.

mod controller;
pub(crate) mod environment;
mod outcome;
mod process;

pub(crate) use controller::ShimController;
pub(crate) use outcome::{ShimOutcome, console_excerpt, report_asked};
pub(crate) use process::{Presence, ShimProcess};
