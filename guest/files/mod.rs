//! Files of the container, for the Files service.
//!
//! [`Files`] owns threads that are in the container's mount namespace and root, so that the kernel resolves every path as it does
//! for the container's own processes: its mounts apply, and no symlink leads out. They run `call` (one operation), `listing`,
//! `stream` (contents), `watch` and `copy`. A failure is a `FileError`: errno, system call and path.

mod acting;
mod attributes;
mod call;
mod content;
mod copy;
mod cp;
mod extended;
mod fault;
mod file_system;
mod handles;
mod lexical;
mod listing;
mod open_file;
mod path;
mod pool;
mod remove;
mod stream;
mod threads;
mod tree;
mod watch;

pub(crate) use fault::Fault;
pub use pool::Files;
pub(crate) use stream::Writing;
