//! Which names this box has resolved to an address: what rules by name hold for. The number of addresses is bounded; those that were used least
//! lately are forgotten. Held by `egress.rs`.

use std::{
    net::IpAddr,
    num::NonZeroUsize,
    sync::Arc,
    time::{Duration, Instant},
};

use lru::LruCache;

/// Most addresses that are remembered.
const ADDRESSES_MAX: NonZeroUsize = NonZeroUsize::new(8192).expect("it is not zero");
/// Most names of one address. An address of a CDN has many, of which a box uses few.
const NAMES_MAX: usize = 64;
/// How long a pin lives at least after its answer, and after it was used. Programs keep addresses for longer than their time to live:
/// whoever connects again after a while does not ask again.
const LIVES_AT_LEAST: Duration = Duration::from_hours(1);
/// How long a pin lives at most after its answer, however often it is used.
const LIVES_AT_MOST: Duration = Duration::from_hours(24);

/// The names of addresses.
#[derive(Debug)]
pub(super) struct Pins(LruCache<IpAddr, Vec<Pin>>);

/// A name that was resolved to an address.
#[derive(Debug)]
struct Pin {
    name: Arc<str>,
    resolved: Instant,
    until: Instant,
}

impl Default for Pins {
    fn default() -> Self {
        // It grows with its content.
        Self(LruCache::unbounded())
    }
}

impl Pins {
    /// Remembers that a name was resolved to an address.
    pub(super) fn add(&mut self, name: &str, address: IpAddr, ttl: Duration, now: Instant) {
        let until = now + ttl.clamp(LIVES_AT_LEAST, LIVES_AT_MOST);
        let pins = self.0.get_or_insert_mut(address, Vec::new);
        let known = pins.iter().position(|pin| &*pin.name == name).map(|at| pins.remove(at));
        if pins.len() >= NAMES_MAX {
            pins.remove(0);
        }
        let (name, until) = known.map_or((name.into(), until), |pin| (pin.name, until.max(pin.until)));
        pins.push(Pin { name, resolved: now, until });
        while self.0.len() > ADDRESSES_MAX.get() {
            self.0.pop_lru();
        }
    }

    /// The names of an address, the one that was resolved last first.
    pub(super) fn names(&mut self, address: IpAddr, now: Instant) -> Vec<Arc<str>> {
        let Some(pins) = self.0.get_mut(&address) else { return Vec::new() };
        pins.retain(|pin| now < pin.until);
        pins.iter().rev().map(|pin| Arc::clone(&pin.name)).collect()
    }

    /// Tells that a connection to an address was allowed by a name, so that the pin lives on.
    pub(super) fn used(&mut self, name: &str, address: IpAddr, now: Instant) {
        let mut pins = self.0.get_mut(&address).into_iter().flatten();
        if let Some(pin) = pins.find(|pin| &*pin.name == name) {
            pin.until = pin.until.max((now + LIVES_AT_LEAST).min(pin.resolved + LIVES_AT_MOST));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ADDRESS: IpAddr = IpAddr::V4(std::net::Ipv4Addr::new(192, 0, 2, 1));

    #[test]
    fn a_pin_outlives_a_short_ttl_and_lives_on_while_it_is_used() {
        let (mut pins, start) = (Pins::default(), Instant::now());
        pins.add("a.test", ADDRESS, Duration::from_secs(1), start);
        let later = start + Duration::from_mins(59);
        assert_eq!(pins.names(ADDRESS, later), ["a.test".into()]);
        pins.used("a.test", ADDRESS, later);
        assert_eq!(pins.names(ADDRESS, later + Duration::from_mins(59)).len(), 1);
        assert_eq!(pins.names(ADDRESS, later + Duration::from_hours(1)).len(), 0);
    }

    #[test]
    fn a_pin_ends_although_it_is_used() {
        let (mut pins, start) = (Pins::default(), Instant::now());
        pins.add("a.test", ADDRESS, Duration::from_hours(1000), start);
        for hour in 0..24 {
            pins.used("a.test", ADDRESS, start + Duration::from_hours(hour));
        }
        assert_eq!(pins.names(ADDRESS, start + Duration::from_hours(24)).len(), 0);
    }

    #[test]
    fn memory_is_bounded_and_what_is_used_stays() {
        let (mut pins, now) = (Pins::default(), Instant::now());
        pins.add("first.test", ADDRESS, Duration::ZERO, now);
        for i in 0..20_000_u32 {
            pins.add("many.test", IpAddr::from(i.to_be_bytes()), Duration::ZERO, now);
            pins.used("first.test", ADDRESS, now);
        }
        assert_eq!(pins.0.len(), ADDRESSES_MAX.get());
        assert_eq!(pins.names(ADDRESS, now).len(), 1);
        for i in 0..1000 {
            pins.add(&format!("{i}.test"), ADDRESS, Duration::ZERO, now);
        }
        assert_eq!(pins.names(ADDRESS, now).len(), NAMES_MAX);
        assert_eq!(&*pins.names(ADDRESS, now)[0], "999.test");
    }
}
