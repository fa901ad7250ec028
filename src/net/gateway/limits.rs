//! The bounds of a box's network. [`Slots`] bounds the connections that are open at one time, and how many are opened in a second, TCP and
//! UDP together.

use std::{
    net::IpAddr,
    sync::{Arc, Mutex, MutexGuard, PoisonError, atomic::AtomicU32, atomic::Ordering::Relaxed},
    time::Instant,
};

use boxlite_spec::network::{NetworkLimits, control::Refusal, rule::Protocol};

use super::bucket::Bucket;
use crate::backend::Reports;

/// Places for connections.
#[derive(Debug)]
pub struct Slots {
    taken: AtomicU32,
    max: u32,
    rate: Mutex<Bucket>,
    reports: Reports,
}

/// One place, which is free again when this is dropped. It counts the connection as opened and closed.
#[derive(Debug)]
pub struct Slot(Arc<Slots>);

/// Why there is no place for a connection now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NoSlot {
    /// All are taken.
    Taken,
    /// Too many were opened in this second. There is one again at the time.
    TooFast(Instant),
}

impl Slots {
    /// Places for the connections that `limits` allow.
    pub fn new(limits: &NetworkLimits, reports: Reports) -> Arc<Self> {
        let rate = Mutex::new(Bucket::events(limits.new_per_second, Instant::now()));
        Arc::new(Self { taken: AtomicU32::new(0), max: limits.connections, rate, reports })
    }

    /// Takes a place.
    ///
    /// # Errors
    /// Why there is none; whoever wants it waits or gives up another one.
    pub fn take(self: &Arc<Self>, now: Instant) -> Result<Slot, NoSlot> {
        let mut rate = self.rate();
        if rate.available(now) == 0 {
            return Err(NoSlot::TooFast(rate.wake_at().unwrap_or(now)));
        }
        let more = |taken| (taken < self.max).then_some(taken + 1);
        self.taken.fetch_update(Relaxed, Relaxed, more).map_err(|_| NoSlot::Taken)?;
        rate.spend(1);
        self.reports.counters.count_opened();
        Ok(Slot(Arc::clone(self)))
    }

    fn rate(&self) -> MutexGuard<'_, Bucket> {
        self.rate.lock().unwrap_or_else(PoisonError::into_inner)
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
    use std::time::Duration;

    use super::*;

    fn slots(connections: u32, new_per_second: u32) -> (Arc<Slots>, Reports) {
        let (limits, reports) =
            (NetworkLimits { connections, new_per_second, ..NetworkLimits::default() }, Reports::default());
        (Slots::new(&limits, reports.clone()), reports)
    }

    #[test]
    fn places_are_bounded_and_given_back() {
        let (slots, reports) = slots(2, 2000);
        let now = Instant::now();
        let (first, second) = (slots.take(now), slots.take(now));
        assert!(first.is_ok() && second.is_ok());
        assert_eq!(slots.take(now).unwrap_err(), NoSlot::Taken);
        assert_eq!(reports.counters.connections(), 2);
        drop(first);
        assert!(slots.take(now).is_ok());
        assert_eq!(reports.counters.connections(), 1);
        assert_eq!(reports.counters.read().connections_total, 3);
    }

    #[test]
    fn places_are_given_at_the_rate_and_one_who_waits_is_told_when() {
        let (slots, reports) = slots(1000, 10);
        let mut now = Instant::now();
        let mut open = Vec::new();
        while open.len() < 40 {
            match slots.take(now) {
                Ok(slot) => open.push(slot),
                Err(NoSlot::TooFast(then)) => {
                    assert!(then > now && then < now + Duration::from_secs(1));
                    now = then;
                }
                Err(NoSlot::Taken) => panic!("there are 1000"),
            }
        }
        assert_eq!(reports.counters.connections(), 40);
        // A second's worth at once, and the others at ten a second.
        let passed = now.saturating_duration_since(Instant::now());
        assert!(passed > Duration::from_millis(2400) && passed < Duration::from_millis(3600), "{passed:?}");
    }
}
