//! What an execution is for: the host requested it, it is the box's main process, or it checks the box's health.
//!
//! Given to `start` by the Execution service and by `supervision`, which receives the main process's output through a [`Tap`].

use std::{future::Future, pin::Pin, sync::Arc};

use bytes::Bytes;

/// Why an execution runs.
#[derive(Clone)]
pub enum Purpose {
    /// The host requested it.
    Requested,
    /// It is the main process. It is listed, but it is no use of the box. It is never held back for want of a reader, since all
    /// that it writes goes to the tap.
    Main(Arc<dyn Tap>),
    /// It is a health check. It is not in the table, and none of its processes outlives the first.
    Check,
}

/// Receives an execution's start and then all of its output, whoever else reads it.
pub trait Tap: Send + Sync {
    /// The program runs, with this pid in the container. None of its output was read before.
    fn started(&self, pid: u32);

    /// Takes bytes of stdout (0) or stderr (1).
    fn take(&self, stream: usize, bytes: &Bytes);

    /// Waits until more can be taken without loss, but only for a bounded time.
    fn room(&self) -> Pin<Box<dyn Future<Output = ()> + Send + '_>>;
}
