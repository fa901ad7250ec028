//! Where host and guest meet, in numbers. One source with the guest: `port.rs`, `limits.rs`, `frame.rs` and `farewell.rs` of
//! `proto`, read here without the gRPC dependencies of their crate, which the shim must not carry.

#[path = "../../proto/farewell.rs"]
#[allow(unreachable_pub, reason = "the guest uses it too")]
mod farewell;
#[path = "../../proto/frame.rs"]
#[allow(unreachable_pub, reason = "the runtime uses it too")]
mod frame;
#[path = "../../proto/limits.rs"]
#[allow(dead_code, unreachable_pub, reason = "the shim only carries bytes")]
mod limits;
#[path = "../../proto/port.rs"]
#[allow(dead_code, unreachable_pub, reason = "each engine needs its own part of the list")]
mod port;

pub(crate) use farewell::LAST_WORD;
pub(crate) use frame::Frame;
pub(crate) use limits::JOURNAL as JOURNAL_FILE;
pub(crate) use port::{CLOCK, CLOCK_ASK, CLOCK_PORT, GRPC, JOURNAL, JOURNAL_PORT, READY_PORT, SERIAL_NAME};
