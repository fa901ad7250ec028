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

use futures::stream::BoxStream;
use tonic::{Response, Status};

/// The result of a call.
type Answer<T> = Result<Response<T>, Status>;

/// The answers of a call that has any number of them.
type Answers<T> = BoxStream<'static, Result<T, Status>>;

pub use guest::AgentStart;
pub use server::{Server, Services};
