//! `Shared`: the dialer, the reports and the places for connections that all published ports of a box share. Made by `publisher`; used by `tcp`
//! and `udp`.

use std::{net::SocketAddr, sync::Arc};

use boxlite_spec::network::{control::Refusal, rule::Protocol};
use boxlite_wire::dial::DIALS;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::dialer::Dialer;
use crate::{backend::Reports, metrics::Counters};

/// What the tasks of all ports share.
#[derive(Debug, Clone)]
pub(super) struct Shared {
    pub(super) dialer: Dialer,
    reports: Reports,
    places: Arc<Semaphore>,
}

/// A place among the connections that a box may have at one time.
#[derive(Debug)]
pub(super) struct Place {
    _permit: OwnedSemaphorePermit,
    counters: Arc<Counters>,
}

impl Drop for Place {
    fn drop(&mut self) {
        self.counters.count_closed();
    }
}

impl Shared {
    /// For a box that may have `connections` of them at one time, and no more than the agent dials.
    pub(super) fn new(dialer: Dialer, reports: Reports, connections: u32) -> Self {
        let places = (connections as usize).min(DIALS);
        Self { dialer, reports, places: Arc::new(Semaphore::new(places)) }
    }

    /// Takes a place, if one is free, for as long as it is held.
    pub(super) fn place(&self) -> Option<Place> {
        let permit = Arc::clone(&self.places).try_acquire_owned().ok()?;
        let counters = Arc::clone(&self.reports.counters);
        counters.count_opened();
        Some(Place { _permit: permit, counters })
    }

    /// Reports that somebody was turned away, since no place is free.
    pub(super) fn report_full(&self, from: SocketAddr, port: u16, protocol: Protocol) {
        self.reports.counters.count_refusal();
        let address = Some(from.ip());
        let rule = "limit".into();
        self.reports.refusals.report(Refusal { address, port, protocol, name: None, rule, count: 1 });
    }
}
