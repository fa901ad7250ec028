//! What host and guest share apart from gRPC: the ports between them, the limits that both enforce, the journal's framing, the
//! power-off marker, and Linux's capabilities by name.
//!
//! A leaf crate with no dependencies. The guest agent (`guest/`), the engines (`src/vmm/`), the portal and the runtime use it;
//! the gRPC services are in `proto/`.

pub mod authorities;
pub mod capability;
pub mod dial;
pub mod frame;
pub mod limits;
pub mod port;
pub mod power_off;
