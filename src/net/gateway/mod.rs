//! The default backend: a gateway of our own on one thread of the shim. The box's side is smoltcp for TCP and parts of our own for
//! everything else; the host's side is sockets.
//!
//! Seams between its parts: [`names`] asks the name server, [`datagrams`] hands on what is not TCP, [`sender`] is the way of a frame to the
//! box, [`inspector`] looks into connections, and [`limits`] holds the bounds.

pub mod datagrams;
pub mod inspector;
pub mod limits;
pub mod names;
pub mod sender;

/// The gateway's own hardware address, the same for every box since each has a link of its own. It is locally administered.
pub const GATEWAY_MAC: [u8; 6] = [0x5a, 0x94, 0xef, 0xe4, 0x0c, 0xdd];
