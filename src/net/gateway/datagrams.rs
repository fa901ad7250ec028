//! What the gateway's loop hands on: every frame of the box that is not TCP. Implemented beside this file by UDP, ICMP, DHCP, ARP and
//! neighbour discovery; called by the loop in `run.rs`.

use std::sync::Arc;

use boxlite_spec::network::LinkSpec;

use super::{limits::Slots, names::NameServer, sender::FrameSender};
use crate::{backend::Reports, decision::Decide};

/// Handles the frames that are not TCP: ARP, neighbour discovery, DHCP, UDP and ICMP. It lives on the gateway's thread, in its tokio
/// runtime, so it may spawn tasks there.
pub trait Datagrams: Send {
    /// Handles one whole Ethernet frame from the box, without the link's length before it, and without waiting. Its source hardware
    /// address has been checked, nothing else: the one who handles it drops and counts what is malformed or from another IP address.
    /// Checksums of TCP and UDP may be partial, so they are not verified.
    fn handle(&mut self, frame: &[u8]);
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
