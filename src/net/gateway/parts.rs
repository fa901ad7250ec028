//! What the gateway's loop and its connections work with. Made once by `mod.rs`.

use std::{sync::Arc, time::Duration};

use boxlite_spec::network::{LinkSpec, ProxySpec};

use super::{inspector::Inspector, limits::Slots, names::NameServer};
use crate::{backend::Reports, decision::Decide};

/// What does not change while the gateway runs.
#[derive(Debug, Clone)]
pub(super) struct Parts {
    /// The addresses of the link.
    pub(super) link: LinkSpec,
    /// The policy.
    pub(super) decide: Arc<dyn Decide>,
    /// The name server.
    pub(super) names: Arc<dyn NameServer>,
    /// Who looks into connections; `None` lets all pass.
    pub(super) inspector: Option<Arc<dyn Inspector>>,
    /// Places for connections.
    pub(super) slots: Arc<Slots>,
    /// Where refusals and counts go.
    pub(super) reports: Reports,
    /// The host's proxy.
    pub(super) proxy: Option<Arc<ProxySpec>>,
    /// How long the gateway waits for others.
    pub(super) patience: Patience,
    /// Whether frames may be larger than the MTU.
    pub(super) offload: bool,
}

/// How long the gateway waits for others.
#[derive(Debug, Clone, Copy)]
pub(super) struct Patience {
    /// For the host's side of a connection to be made.
    pub(super) dial: Duration,
    /// For the box to finish the handshake.
    pub(super) handshake: Duration,
    /// For enough of a connection's first bytes to be read, from the first of them on.
    pub(super) first_bytes: Duration,
    /// For anything to happen on a connection of which one direction has ended.
    pub(super) half_closed: Duration,
    /// For a place, when all connections that are allowed are open.
    pub(super) place: Duration,
}

impl Default for Patience {
    fn default() -> Self {
        Self {
            dial: Duration::from_secs(30),
            handshake: Duration::from_mins(1),
            first_bytes: Duration::from_secs(10),
            half_closed: Duration::from_mins(5),
            place: Duration::from_secs(30),
        }
    }
}
