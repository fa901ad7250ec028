//! `boxlite-guest`: the agent that is `/init` of every box.
//!
//! `main.rs` boots the machine and then calls these rooms, each of which knows only those below it:
//!
//! - [`transport`] accepts the host's connections.
//! - [`services`] are the gRPC services, which translate requests for the rooms below and nothing else.
//! - [`supervision`] is what the guest does on its own: main process, health, limits, journal, and the shutdown.
//!   [`activity`] knows whether anybody uses the box.
//! - [`files`] acts on the container's files, on threads that live in its mount namespace.
//! - [`execution`] has one process of the container each, with its streams, from start to exit.
//! - [`zygote`] is the single-threaded process, forked before tokio starts, that becomes the container's init and
//!   forks every execution.
//! - [`container`] is what the zygote does to become a container: namespaces, mounts, devices, limits.
//! - [`dial`] connects the host to ports in the box.
//! - [`storage`] mounts the root disk, [`network`] configures the interfaces, [`clock`] keeps the clock synchronised, and
//!   [`boot`] has the early mounts and the power-off.
//!
//! It is a library so that a test on the host can serve the same services over `tokio::io::duplex`.

pub mod activity;
pub mod boot;
pub mod clock;
pub mod container;
pub mod dial;
mod error;
pub mod execution;
pub mod files;
pub mod network;
mod reactor;
pub mod services;
pub mod storage;
pub mod supervision;
pub mod transport;
pub mod zygote;

pub use error::{Context, Error, Kind, Result};
