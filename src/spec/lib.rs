//! What the runtime and the shim exchange: the [`InstanceSpec`] that describes one box, and the reports that come back.
//!
//! The runtime (`src/runtime`) writes one [`InstanceSpec`] as a single line of JSON to the shim's standard input. The shim (`shim/`)
//! reads it and runs the machine through an engine (`src/vmm`). While it runs, the lock file that it holds contains its
//! [`ShimIdentity`]. When it exits, its status is one of [`ShimExit`] and the last line of its standard error is a [`ShimReport`].
//! `boxlite-shim probe` prints a [`ProbeReport`]. This crate does no I/O.

mod engine;
mod exit;
mod identity;
mod instance;
pub mod network;
mod path;
mod probe;

pub use engine::VmmKind;
pub use exit::{ShimExit, ShimReport};
pub use identity::ShimIdentity;
pub use instance::{
    DEADLINE_FILE, DiskFormat, DiskSpec, InstanceSpec, JournalSpec, SPEC_VERSION, TransportSpec,
};
pub use probe::{EngineProbe, EngineProblem, ProbeReport};
