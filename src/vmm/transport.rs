//! Where host and guest meet, in numbers. One source with the guest: `proto/port.rs`, `limits.rs` and `frame.rs`, read here
//! without the gRPC dependencies of their crate, which the shim must not carry.

#[path = "../../proto/frame.rs"]
#[allow(unreachable_pub, reason = "the runtime uses it too")]
mod frame;
#[path = "../../proto/limits.rs"]
#[allow(dead_code, unreachable_pub, reason = "the shim only carries bytes")]
mod limits;
#[path = "../../proto/port.rs"]
#[allow(dead_code, unreachable_pub, reason = "each engine needs its own part of the list")]
mod port;

pub(crate) use frame::Frame;
pub(crate) use limits::JOURNAL as JOURNAL_FILE;
pub(crate) use port::{GRPC, JOURNAL, JOURNAL_PORT, READY_PORT, SERIAL_NAME};
