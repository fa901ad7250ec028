//! The gRPC services between host and guest, as generated from `boxlite/v1/*.proto`, which are the reference.
//!
//! The guest agent (`guest/`) serves them and the portal calls them. Ports and limits are in `wire/`.

/// Version 1 of the protocol.
#[allow(missing_docs, unreachable_pub, clippy::pedantic)]
pub mod v1 {
    tonic::include_proto!("boxlite.v1");
}
