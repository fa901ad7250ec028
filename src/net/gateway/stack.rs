//! smoltcp's interface, used for TCP alone and without neighbours: every connection has a set of sockets of its own, so that a segment costs
//! the same however many connections there are. Called by `tcp`.

use std::{
    collections::hash_map::RandomState,
    fmt,
    hash::{BuildHasher, Hasher},
    time::{Duration, Instant},
};

use boxlite_spec::network::LinkSpec;
use smoltcp::{
    iface::{Config, Interface, PollResult, SocketSet},
    time,
    wire::HardwareAddress,
};

use super::{device::Device, outgoing::Outgoing};

/// The TCP side of the gateway.
pub(super) struct Stack {
    interface: Interface,
    started: Instant,
    now: time::Instant,
    link: LinkSpec,
    offload: bool,
}

impl fmt::Debug for Stack {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Stack").field("link", &self.link).finish_non_exhaustive()
    }
}

impl Stack {
    /// A stack for a link. With `offload`, frames are as large as they can be.
    pub(super) fn new(link: &LinkSpec, offload: bool, out: &mut Outgoing) -> Self {
        let mut config = Config::new(HardwareAddress::Ip);
        // Sequence numbers start where nobody can guess (RFC 6528).
        config.random_seed = RandomState::new().build_hasher().finish();
        let now = time::Instant::ZERO;
        let mut interface = Interface::new(config, &mut Device::new(link, offload, None, out), now);
        interface.set_any_ip(true);
        Self { interface, started: Instant::now(), now, link: link.clone(), offload }
    }

    /// Tells the time. Called once for each turn of the loop.
    pub(super) fn set_now(&mut self, now: Instant) {
        let passed = now.saturating_duration_since(self.started).as_micros();
        self.now = time::Instant::from_micros(i64::try_from(passed).unwrap_or(i64::MAX));
    }

    /// Gives an IP packet to a connection.
    pub(super) fn feed(&mut self, packet: &[u8], sockets: &mut SocketSet<'_>, out: &mut Outgoing) {
        let mut device = Device::new(&self.link, self.offload, Some(packet), out);
        let _ = self.interface.poll_ingress_single(self.now, &mut device, sockets);
    }

    /// Sends what a connection has to send. Returns whether all of it went; if not, the link is full.
    pub(super) fn flush(&mut self, sockets: &mut SocketSet<'_>, out: &mut Outgoing) -> bool {
        let mut device = Device::new(&self.link, self.offload, None, out);
        while self.interface.poll_egress(self.now, &mut device, sockets) == PollResult::SocketStateChanged {}
        !device.was_full()
    }

    /// When a connection has to be flushed again although nothing happens to it.
    pub(super) fn wake_at(&mut self, sockets: &SocketSet<'_>) -> Wake {
        match self.interface.poll_at(self.now, sockets) {
            None => Wake::Never,
            Some(at) if at <= self.now => Wake::Now,
            Some(at) => {
                let micros = u64::try_from(at.total_micros()).unwrap_or(0);
                Wake::At(self.started + Duration::from_micros(micros))
            }
        }
    }
}

/// When a connection has something to send by itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Wake {
    /// It waits for others.
    Never,
    /// It has something now.
    Now,
    /// Later: a retransmission, for example.
    At(Instant),
}
