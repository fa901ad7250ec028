//! The network of a running box as its users reach it: ports that are published on the host, connections into the box, and requests to
//! the shim about both.

pub(crate) mod connection;
pub(crate) mod control;
mod dial;
mod ports;
