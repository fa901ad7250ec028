//! What the guest does on its own, whether or not a host is connected: it runs the box's main process and restarts it, checks
//! the box's health, enforces its limits, writes its journal, and ends the machine.
//!
//! Configured by `Container.Init`, observed through the Supervisor service; calls `execution`, `zygote`, `files` and `storage`.
//! A [`Supervisor`] has the state. `begin` starts `main_process`, `health`, `limit_watch` and `oom`, tasks that report to
//! [`Events`] (for hosts that watch) and to the [`Journal`] (for those that come later), until `shutdown` ends all of them.

mod begin;
mod check;
mod events;
mod health;
mod host_streams;
mod journal;
mod journal_queue;
mod limit_watch;
mod limits;
mod main_process;
mod metrics;
mod oom;
mod restart;
mod shutdown;
mod supervisor;

pub use events::{Events, Watch};
pub use host_streams::{HostStream, HostStreams, StreamRequest, StreamRequests};
pub use journal::Journal;
pub(crate) use metrics::uptime_ns;
pub use supervisor::{EndedBy, Supervisor};
