//! Where host and guest meet, in numbers. One source with the guest: `proto/port.rs`, read here without the gRPC
//! dependencies of its crate, which the shim must not carry.

#[path = "../../proto/port.rs"]
#[allow(dead_code, unreachable_pub, reason = "each engine needs its own part of the list")]
mod port;

pub(crate) use port::{GRPC, READY_PORT, SERIAL_NAME};
