//! What the guest does on its own, whether or not a host listens: it runs the box's main process and restarts it, checks
//! the box's health, keeps its limits, writes its journal, and ends the machine.
//!
//! Ordered by `Container.Init`, observed through the Supervisor service; calls `execution`, `zygote`, `files` and
//! `storage`. A [`Supervisor`] holds it all; its `main_process`, `health` and `limits` are tasks that tell what happens to
//! [`Events`] (for hosts that watch) and to the [`Journal`] (for those that come later), until `ending` ends them all.

mod check;
mod ending;
mod events;
mod health;
mod host_line;
mod journal;
mod journal_queue;
mod limits;
mod main_process;
mod metrics;
mod oom;
mod restart;
mod supervisor;

pub use ending::Ending;
pub use events::{Events, Watch};
pub use host_line::{HostAsk, HostAsks, HostLine, HostStream};
pub use journal::Journal;
pub(crate) use metrics::uptime_ns;
pub use supervisor::Supervisor;
