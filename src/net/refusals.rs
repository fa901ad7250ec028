//! What a box's network refused. Every part that refuses reports here; `control` passes it on to the runtime. A destination that is
//! refused often is reported once a second with a count, and the number of destinations that are remembered is bounded.

use std::{
    collections::HashMap,
    net::IpAddr,
    sync::{Mutex, PoisonError},
    time::{Duration, Instant},
};

use boxlite_spec::network::{control::Refusal, rule::Protocol};
use tokio::sync::broadcast;

/// How often one destination is reported at most.
const INTERVAL: Duration = Duration::from_secs(1);
/// Most destinations that are remembered at one time.
const DESTINATIONS_MAX: usize = 1024;
/// Most reports that wait for a slow reader, which loses the oldest.
const WAITING_MAX: usize = 1024;

type Destination = (Option<IpAddr>, Option<String>, u16, Protocol);

/// Collects refusals and passes them on.
#[derive(Debug)]
pub struct Refusals {
    seen: Mutex<HashMap<Destination, Seen>>,
    sender: broadcast::Sender<Refusal>,
}

#[derive(Debug)]
struct Seen {
    reported: Instant,
    /// How often since.
    count: u64,
    rule: String,
}

impl Default for Refusals {
    fn default() -> Self {
        Self { seen: Mutex::default(), sender: broadcast::Sender::new(WAITING_MAX) }
    }
}

impl Refusals {
    /// Reports a refusal. `refusal.count` is 1.
    pub fn report(&self, refusal: Refusal) {
        self.report_at(Instant::now(), refusal);
    }

    fn report_at(&self, now: Instant, refusal: Refusal) {
        let key = (refusal.address, refusal.name.clone(), refusal.port, refusal.protocol);
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(known) = seen.get_mut(&key) {
            known.count += refusal.count;
            known.rule = refusal.rule;
        } else {
            if seen.len() >= DESTINATIONS_MAX {
                // Those that are not waiting for their next report are forgotten, and then any.
                seen.retain(|_, known| known.count > 0);
                if let Some(any) = seen.keys().next().filter(|_| seen.len() >= DESTINATIONS_MAX).cloned() {
                    seen.remove(&any);
                }
            }
            let rule = refusal.rule.clone();
            seen.insert(key, Seen { reported: now, count: 0, rule });
            let _ = self.sender.send(refusal);
        }
    }

    /// Passes on what was counted since the last report of each destination. Called about once a second.
    pub fn flush(&self) {
        self.flush_at(Instant::now());
    }

    fn flush_at(&self, now: Instant) {
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        seen.retain(|(address, name, port, protocol), known| {
            if now.duration_since(known.reported) < INTERVAL {
                return true;
            }
            if known.count == 0 {
                return false;
            }
            let (count, rule) = (std::mem::take(&mut known.count), known.rule.clone());
            known.reported = now;
            let (address, name, port, protocol) = (*address, name.clone(), *port, *protocol);
            let _ = self.sender.send(Refusal { address, port, protocol, name, rule, count });
            true
        });
    }

    /// Returns a reader of all refusals from now on.
    pub fn subscribe(&self) -> broadcast::Receiver<Refusal> {
        self.sender.subscribe()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refusal(port: u16) -> Refusal {
        let address = Some([10, 0, 0, 1].into());
        Refusal { address, port, protocol: Protocol::Tcp, name: None, rule: "default".into(), count: 1 }
    }

    #[test]
    fn a_destination_is_reported_once_a_second_with_its_count() {
        let refusals = Refusals::default();
        let mut reader = refusals.subscribe();
        let began = Instant::now();
        for _ in 0..5 {
            refusals.report_at(began, refusal(80));
        }
        assert_eq!(reader.try_recv().unwrap().count, 1);
        refusals.flush_at(began + INTERVAL / 2);
        assert!(reader.try_recv().is_err());
        refusals.flush_at(began + INTERVAL);
        assert_eq!(reader.try_recv().unwrap().count, 4);
        refusals.flush_at(began + 2 * INTERVAL);
        assert!(reader.try_recv().is_err());
        refusals.report_at(began + 2 * INTERVAL, refusal(80));
        assert_eq!(reader.try_recv().unwrap().count, 1);
    }

    #[test]
    fn memory_is_bounded() {
        let refusals = Refusals::default();
        let now = Instant::now();
        for port in 0..20_000 {
            refusals.report_at(now, refusal(port));
            refusals.report_at(now, refusal(port));
        }
        assert!(refusals.seen.lock().unwrap().len() <= DESTINATIONS_MAX);
    }
}
