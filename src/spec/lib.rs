//! `InstanceSpec`: the plain paper that the runtime hands the shim, and what the shim hands back.
//!
//! The runtime (`src/runtime`) writes one [`InstanceSpec`] as a single line of JSON to the shim's standard input; the
//! shim (`shim/`) reads it, gives it to a VMM (`src/vmm`) and is taken over by the machine. When it ends, its exit
//! status is one of [`ShimExit`] and the last line of its standard error is a [`ShimReport`]. While it lives, the lock
//! file that it holds tells its [`ShimIdentity`]. Nothing here does I/O.

mod engine;
mod exit;
mod identity;
mod instance;
mod path;
mod probe;

pub use engine::VmmKind;
pub use exit::{ShimExit, ShimReport};
pub use identity::ShimIdentity;
pub use instance::{
    DEADLINE_FILE, DiskFormat, DiskSpec, InstanceSpec, JournalSpec, SPEC_VERSION, TransportSpec,
};
pub use probe::{EngineProbe, EngineProblem, ProbeReport};
