//! What an execution is for: the host asked for it, it is the box's main process, or it checks the box's health.
//!
//! Given to `table` by the Execution service and by `supervision`; what hears the main process's output is a [`Tap`].

use std::{fmt, future::Future, pin::Pin, sync::Arc};

use bytes::Bytes;

/// Why an execution runs.
#[derive(Debug, Clone)]
pub enum Purpose {
    /// The host asked for it.
    Asked,
    /// The main process: listed, but no use of the box. It is never held back for want of a reader, since all that it
    /// writes goes to the tap.
    Main(Arc<dyn Tap>),
    /// A health check: nobody but its maker knows of it, and no process of it outlives its first.
    Check,
}

/// Hears of an execution's start, and then what is read of its output, whoever else does.
pub trait Tap: fmt::Debug + Send + Sync {
    /// It is the program now, with this pid in the container. Nothing was read of it before.
    fn started(&self, pid: u32);

    /// Takes bytes of stdout (0) or stderr (1).
    fn take(&self, stream: usize, bytes: &Bytes);

    /// Waits until more can be taken without loss; for a bounded time.
    fn room(&self) -> Pin<Box<dyn Future<Output = ()> + Send + '_>>;
}
