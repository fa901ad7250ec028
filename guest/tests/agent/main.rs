//! The agent's services as the host sees them, without a machine: over `tokio::io::duplex`, with a real zygote that runs
//! processes of this machine instead of a container's.
//!
//! What a container adds (namespaces, mounts, users) is tested in a box.
#![cfg(test)]

mod attach;
mod bench;
mod execution;
mod files;
mod stdin_stream;
mod supervised;
mod write;
