//! What the gateway's loop hands on: every frame of the box that is not TCP. Called by the loop in `run.rs`.
//!
//! [`make`] makes the handler, which sorts frames (`handler`, with `packet` for headers and `fragments` for parts of packets) and
//! answers or passes on: `arp` and `neighbours` for the link, `dhcp`, and `flows` for UDP and ICMP echo, each with a socket of the host
//! (`sockets`) in a `table`, for as long as `lives` says. What is too new waits in `waiting`. `writer` writes frames to the box, and
//! `errors` those of ICMP that say why a packet was not passed on. Refusals have the policy's own text, or `dns` for name services that
//! ask a group of hosts, `limit` where all places are taken, and `unsupported` where the host allows no ICMP.

mod arp;
pub(crate) mod dhcp;
mod errors;
mod flow;
mod flows;
pub(crate) mod fragments;
mod handler;
#[cfg(any(test, fuzzing))]
pub mod hostile;
mod lives;
mod neighbours;
pub(crate) mod packet;
mod sockets;
mod table;
#[cfg(test)]
mod tests;
mod waiting;
mod writer;

use std::sync::Arc;

use boxlite_spec::network::LinkSpec;

pub use self::{dhcp::Lease, handler::make};
use super::{limits::Slots, names::NameServer, sender::FrameSender};
use crate::{backend::Reports, decision::Decide};

/// Handles the frames that are not TCP: ARP, neighbour discovery, DHCP, UDP and ICMP. It lives on the gateway's thread, in its tokio
/// runtime, so it may spawn tasks there.
pub trait Datagrams: Send {
    /// Handles one whole Ethernet frame from the box, without the link's length before it, and without waiting. Its source hardware
    /// address has been checked, nothing else: the one who handles it drops and counts what is malformed or from another IP address.
    /// Checksums of TCP and UDP may be partial, so they are not verified.
    fn handle(&mut self, frame: &[u8]);

    /// Ends what the policy refuses, which has been replaced.
    fn recheck(&mut self);
}

/// What a handler of datagrams is made with.
#[derive(Debug, Clone)]
pub struct DatagramContext {
    /// The addresses of the link.
    pub link: LinkSpec,
    /// The gateway's own hardware address: the source of every frame to the box.
    pub gateway_mac: [u8; 6],
    /// The way back to the box.
    pub frames: FrameSender,
    /// The policy.
    pub decide: Arc<dyn Decide>,
    /// The name server.
    pub names: Arc<dyn NameServer>,
    /// Bounds the number of connections, TCP and UDP together.
    pub slots: Arc<Slots>,
    /// Where refusals and counts go.
    pub reports: Reports,
}

/// Makes the handler, on the gateway's thread.
pub type MakeDatagrams = Box<dyn FnOnce(DatagramContext) -> Box<dyn Datagrams> + Send + Sync>;
