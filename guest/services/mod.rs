//! The gRPC services, which translate between `proto` and the rooms below.
//!
//! [`Services`] is created by `main.rs` (and by tests), and [`Server`] serves it on connections. Each service has a file.

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
