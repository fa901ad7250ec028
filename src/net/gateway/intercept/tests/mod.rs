//! Tests of the inspector with real servers and clients on loopback. `server` is the internet, `rig` the gateway's part of a connection.

mod by_name;
mod quic;
mod rig;
mod secret;
mod server;
