//! The machine's network device, as the shim gives it to an engine.

use std::os::fd::OwnedFd;

/// One network device, which the guest sees as `eth0`.
#[derive(Debug)]
pub struct NetworkDevice {
    /// The machine's end of the link: a connected Unix stream socket in blocking mode, on which each Ethernet frame has its length before it
    /// (four bytes, big-endian).
    pub socket: OwnedFd,
    /// Whether the other end takes and sends frames that are larger than the MTU. What it takes may have partial checksums, and
    /// what it sends has whole ones.
    pub offload: bool,
    /// The hardware address.
    pub mac: [u8; 6],
}
