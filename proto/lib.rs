//! The words that host and guest share: the gRPC services, the ports they meet on, and the limits both keep.
//!
//! The guest agent (`guest/`) serves them; the runtime's portal (`src/runtime`) calls them; the shim only carries
//! bytes and needs nothing but [`port`], [`limits`], [`frame`] and [`farewell`]. The `.proto` files under `boxlite/v1` are the reference.

pub mod capability;
pub mod farewell;
pub mod frame;
pub mod limits;
pub mod port;

/// Version 1 of the protocol, as generated from `boxlite/v1/*.proto`.
#[allow(missing_docs, unreachable_pub, clippy::pedantic)]
pub mod v1 {
    tonic::include_proto!("boxlite.v1");
}
