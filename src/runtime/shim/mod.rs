//! The shim as the runtime sees it: a process that is spawned with a spec or found by its lock, watched, and ended.
//!
//! The pipeline spawns one for each start, or a transition joins one that runs (`process`); the box's machine holds its
//! `controller`; its end is what ends the machine, and `outcome` says how.

pub(crate) mod assets;
pub(crate) mod controller;
pub(crate) mod engine;
pub(crate) mod environment;
pub(crate) mod outcome;
pub(crate) mod process;
pub(crate) mod socket;
