//! What a box's network refused. Every part that refuses reports here; `control` passes it on to the runtime. A destination that is
//! refused often is reported once a second with a count, and the number of destinations that are remembered is bounded. The last reports are
//! kept, for a reader that wanted them before it was connected.

use std::{
    collections::{HashMap, VecDeque},
    net::IpAddr,
    sync::{Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant, SystemTime},
};

use boxlite_spec::network::{control::Refusal, rule::Protocol};
use tokio::sync::broadcast;

/// How often one destination is reported at most.
const INTERVAL: Duration = Duration::from_secs(1);
/// Most destinations that are remembered at one time.
const DESTINATIONS_MAX: usize = 1024;
/// Most reports that wait for a slow reader, which loses the oldest.
const WAITING_MAX: usize = 1024;
/// Most reports that are kept for readers to come.
const KEPT_MAX: usize = 256;

type Destination = (Option<IpAddr>, Option<String>, u16, Protocol);

/// Collects refusals and passes them on.
#[derive(Debug)]
pub struct Refusals {
    state: Mutex<State>,
    /// Used under the lock of `state`, so that a reader gets each report once: as a kept one or as a new one.
    sender: broadcast::Sender<Refusal>,
}

#[derive(Debug, Default)]
struct State {
    seen: HashMap<Destination, Seen>,
    /// The last reports, each with the moment of its last refusal.
    kept: VecDeque<(Instant, Refusal)>,
}

#[derive(Debug)]
struct Seen {
    reported: Instant,
    /// How often since.
    count: u64,
    /// When last.
    last: Instant,
    rule: String,
}

impl Default for Refusals {
    fn default() -> Self {
        Self { state: Mutex::default(), sender: broadcast::Sender::new(WAITING_MAX) }
    }
}

impl Refusals {
    /// Reports a refusal. `refusal.count` is 1.
    pub fn report(&self, refusal: Refusal) {
        self.report_at(Instant::now(), refusal);
    }

    fn report_at(&self, now: Instant, refusal: Refusal) {
        let key = (refusal.address, refusal.name.clone(), refusal.port, refusal.protocol);
        let State { seen, kept } = &mut *self.state();
        if let Some(known) = seen.get_mut(&key) {
            known.count += refusal.count;
            known.last = now;
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
            seen.insert(key, Seen { reported: now, count: 0, last: now, rule });
            self.send(kept, now, refusal);
        }
    }

    fn send(&self, kept: &mut VecDeque<(Instant, Refusal)>, last: Instant, refusal: Refusal) {
        if kept.len() == KEPT_MAX {
            kept.pop_front();
        }
        kept.push_back((last, refusal.clone()));
        let _ = self.sender.send(refusal);
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Passes on what was counted since the last report of each destination. Called about once a second.
    pub fn flush(&self) {
        self.flush_at(Instant::now());
    }

    fn flush_at(&self, now: Instant) {
        let State { seen, kept } = &mut *self.state();
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
            self.send(kept, known.last, Refusal { address, port, protocol, name, rule, count });
            true
        });
    }

    /// Returns a reader of all refusals from now on.
    pub fn subscribe(&self) -> broadcast::Receiver<Refusal> {
        self.sender.subscribe()
    }

    /// The same, with those before that are no older than `since`, as far as they are kept.
    pub fn subscribe_since(&self, since: SystemTime) -> (VecDeque<Refusal>, broadcast::Receiver<Refusal>) {
        // In this order, what passes between the two looks makes the moment earlier, so that none is missed.
        let now = Instant::now();
        let age = SystemTime::now().duration_since(since).unwrap_or_default();
        self.subscribe_from(now.checked_sub(age))
    }

    /// `None` is before the first one.
    fn subscribe_from(&self, from: Option<Instant>) -> (VecDeque<Refusal>, broadcast::Receiver<Refusal>) {
        let state = self.state();
        let wanted = state.kept.iter().filter(|(last, _)| from.is_none_or(|from| *last >= from));
        (wanted.map(|(_, refusal)| refusal.clone()).collect(), self.sender.subscribe())
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
    fn a_reader_gets_what_was_refused_since_it_wanted_to_read_and_each_once() {
        let refusals = Refusals::default();
        let began = Instant::now();
        let (early, wanted) = (began + INTERVAL, began + 2 * INTERVAL);
        refusals.report_at(began, refusal(1));
        refusals.report_at(early, refusal(2));
        for _ in 0..3 {
            refusals.report_at(wanted, refusal(2));
        }
        refusals.report_at(wanted, refusal(3));
        // As for the first reader: what was counted before it is reported.
        refusals.flush_at(wanted);
        let (late, mut reader) = refusals.subscribe_from(Some(wanted));
        let mut ports: Vec<_> = late.iter().map(|refusal| (refusal.port, refusal.count)).collect();
        ports.sort_unstable();
        assert_eq!(ports, [(2, 3), (3, 1)]);
        assert!(reader.try_recv().is_err());
        refusals.report_at(wanted, refusal(4));
        assert_eq!(reader.try_recv().unwrap().port, 4);
        assert_eq!(refusals.subscribe_from(None).0.len(), 5);
        assert_eq!(refusals.subscribe_from(Some(wanted + INTERVAL)).0.len(), 0);
        assert_eq!(refusals.subscribe_since(SystemTime::UNIX_EPOCH).0.len(), 5);
    }

    #[test]
    fn memory_is_bounded() {
        let refusals = Refusals::default();
        let now = Instant::now();
        for port in 0..20_000 {
            refusals.report_at(now, refusal(port));
            refusals.report_at(now, refusal(port));
        }
        let state = refusals.state();
        assert!(state.seen.len() <= DESTINATIONS_MAX && state.kept.len() == KEPT_MAX);
    }
}
