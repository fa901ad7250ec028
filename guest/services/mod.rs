//! The gRPC services: translation only, between `proto` and the rooms below.
//!
//! [`Services`] is made by `main.rs` (and by tests) and served on connections by [`Server`]; one file a service.

mod container;
mod execution;
mod files;
mod guest;
mod server;
mod status;
mod supervisor;
mod used;

pub use guest::AgentStart;
pub use server::{Server, Services};
