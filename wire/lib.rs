//! What host and guest share without gRPC: the ports they meet on, the limits both keep, the journal's framing, the
//! marker of a power-off, and Linux's capabilities by name.
//!
//! A leaf crate with no dependencies. The guest agent (`guest/`), the engines (`src/vmm/`), the portal and the runtime use it;
//! the gRPC services are in `proto/`.

pub mod capability;
pub mod frame;
pub mod limits;
pub mod port;
pub mod power_off;
