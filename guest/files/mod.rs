//! Files of the container, for the host: what [`crate::services`] answers about them.
//!
//! [`Files`] owns threads that live in the container's mount namespace and root, so that the kernel resolves every path
//! as it does for the container's own processes: its mounts apply, and no symlink leads out. On them run [`call`] (one
//! operation), `listing`, `stream` (contents), `watch` and `copy`. A failure is a `FileError`: errno, call and path.

mod acting;
mod attributes;
mod call;
mod content;
mod copy;
mod cp;
mod extended;
mod fault;
mod handles;
mod lexical;
mod listing;
mod pool;
mod remove;
mod stream;
mod threads;
mod tree;
mod watch;

pub use pool::Files;
pub(crate) use stream::Writing;
