//! The bounds of a box's network. [`Slots`] bounds the connections that are open at one time, TCP and UDP together.

use std::{
    net::IpAddr,
    sync::{Arc, atomic::AtomicU32, atomic::Ordering::Relaxed},
};

use boxlite_spec::network::{control::Refusal, rule::Protocol};

use crate::backend::Reports;

/// Places for connections.
#[derive(Debug)]
pub struct Slots {
    taken: AtomicU32,
    max: u32,
    reports: Reports,
}

/// One place, which is free again when this is dropped. It counts the connection as opened and closed.
#[derive(Debug)]
pub struct Slot(Arc<Slots>);

impl Slots {
    /// Places for `max` connections.
    pub fn new(max: u32, reports: Reports) -> Arc<Self> {
        Arc::new(Self { taken: AtomicU32::new(0), max, reports })
    }

    /// Takes a place, or returns `None` if all are taken.
    pub fn take(self: &Arc<Self>) -> Option<Slot> {
        let more = |taken| (taken < self.max).then_some(taken + 1);
        self.taken.fetch_update(Relaxed, Relaxed, more).ok()?;
        self.reports.counters.count_opened();
        Some(Slot(Arc::clone(self)))
    }

    /// Reports that there was no place for a connection.
    pub fn report_full(&self, protocol: Protocol, address: IpAddr, port: u16) {
        self.reports.counters.count_refusal();
        self.reports.refusals.report(Refusal {
            address: Some(address),
            port,
            protocol,
            name: None,
            rule: "limit".into(),
            count: 1,
        });
    }
}

impl Drop for Slot {
    fn drop(&mut self) {
        self.0.taken.fetch_sub(1, Relaxed);
        self.0.reports.counters.count_closed();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_are_bounded_and_given_back() {
        let reports = Reports::default();
        let slots = Slots::new(2, reports.clone());
        let (first, second) = (slots.take(), slots.take());
        assert!(first.is_some() && second.is_some() && slots.take().is_none());
        assert_eq!(reports.counters.connections(), 2);
        drop(first);
        assert!(slots.take().is_some());
        assert_eq!(reports.counters.connections(), 1);
        assert_eq!(reports.counters.read().connections_total, 3);
    }
}
