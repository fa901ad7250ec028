//! What happens in the box, told to whoever watches. A watcher that comes later is first told how the box stands, one that comes
//! back what it missed; one that is slow loses the oldest events and is told how many.
//!
//! Filled by the tasks of this room; watched through the Supervisor service.

use std::{
    collections::VecDeque,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    task::Poll,
    time::{SystemTime, UNIX_EPOCH},
};

use boxlite_proto::v1::{BoxEvent, box_event::Event};
use tokio::sync::watch;

/// Events that are kept for a watcher that is slow or away; the longest hold some 4 KiB of a health check's output.
const KEPT: usize = 256;

/// The events. Clones share them.
#[derive(Debug, Clone, Default)]
pub struct Events(Arc<Shared>);

#[derive(Debug, Default)]
struct Shared {
    standing: Mutex<Standing>,
    changed: watch::Sender<()>,
}

#[derive(Debug, Default)]
struct Standing {
    /// How many there were.
    count: u64,
    /// The last of them.
    kept: VecDeque<BoxEvent>,
    /// The last of its kind.
    main: Option<BoxEvent>,
    health: Option<BoxEvent>,
    /// The machine ends, and nothing more happens.
    over: bool,
}

/// One watcher.
#[derive(Debug)]
pub struct Watch {
    events: Events,
    changed: watch::Receiver<()>,
    first: VecDeque<BoxEvent>,
    /// How many of all were told, or passed before it came.
    told: u64,
}

impl Events {
    /// Tells all watchers.
    pub fn tell(&self, event: Event) {
        let mut standing = self.standing();
        if standing.over {
            return;
        }
        standing.count += 1;
        let event = event_at(standing.count, event);
        match &event.event {
            Some(Event::MainStarted(_) | Event::MainExited(_)) => standing.main = Some(event.clone()),
            Some(Event::Health(_)) => standing.health = Some(event.clone()),
            _ => {}
        }
        standing.kept.push_back(event);
        if standing.kept.len() > KEPT {
            standing.kept.pop_front();
        }
        drop(standing);
        self.0.changed.send_replace(());
    }

    /// What happened after the event `after`; else how the box stands. From then on all that happens.
    pub fn watch(&self, after: Option<u64>) -> Watch {
        let changed = self.0.changed.subscribe();
        let standing = self.standing();
        let mut first = VecDeque::new();
        if after.is_none() {
            first.extend([&standing.main, &standing.health].into_iter().flatten().cloned());
            // One that leaves after these has heard of all that was before.
            for event in &mut first {
                event.sequence = standing.count;
            }
        }
        let told = after.unwrap_or(standing.count).min(standing.count);
        Watch { events: self.clone(), changed, first, told }
    }

    /// Ends every watch, once it has told what there was.
    pub fn close(&self) {
        self.standing().over = true;
        self.0.changed.send_replace(());
    }

    fn standing(&self) -> MutexGuard<'_, Standing> {
        self.0.standing.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Watch {
    /// The next event; `None` when the machine ends. Cancelling it loses nothing.
    pub async fn next(&mut self) -> Option<BoxEvent> {
        if let Some(event) = self.first.pop_front() {
            return Some(event);
        }
        loop {
            if let Poll::Ready(event) = self.at_hand() {
                self.told = event.as_ref()?.sequence;
                return event;
            }
            self.changed.changed().await.ok()?;
        }
    }

    /// The event after those that were told, or how many of them are gone; `None` if none will come.
    fn at_hand(&self) -> Poll<Option<BoxEvent>> {
        let standing = self.events.standing();
        let gone = standing.count - standing.kept.len() as u64;
        let Some(at) = self.told.checked_sub(gone) else {
            return Poll::Ready(Some(event_at(gone, Event::Lost(gone - self.told))));
        };
        match usize::try_from(at).ok().and_then(|at| standing.kept.get(at)) {
            None if !standing.over => Poll::Pending,
            event => Poll::Ready(event.cloned()),
        }
    }
}

fn event_at(sequence: u64, event: Event) -> BoxEvent {
    BoxEvent { time_unix_ns: now_unix_ns(), event: Some(event), sequence }
}

/// The guest's clock.
pub(super) fn now_unix_ns() -> u64 {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(now.as_nanos()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use boxlite_proto::v1::{HealthChanged, MainStarted};

    use super::*;

    fn started(restarts: u32) -> Event {
        Event::MainStarted(MainStarted { pid: 2, restarts })
    }

    async fn next(watch: &mut Watch) -> Option<Event> {
        watch.next().await.and_then(|event| event.event)
    }

    #[tokio::test]
    async fn a_late_watcher_learns_how_the_box_stands() {
        let events = Events::default();
        events.tell(started(0));
        events.tell(started(1));
        events.tell(Event::Health(HealthChanged::default()));
        let mut watch = events.watch(None);
        assert_eq!(next(&mut watch).await, Some(started(1)));
        assert_eq!(next(&mut watch).await, Some(Event::Health(HealthChanged::default())));
        events.tell(started(2));
        events.close();
        assert_eq!(next(&mut watch).await, Some(started(2)));
        assert_eq!(next(&mut watch).await, None);
        assert!(events.watch(None).next().await.is_some(), "how it stood");
    }

    #[tokio::test]
    async fn a_slow_watcher_is_told_what_it_lost() {
        let events = Events::default();
        let mut watch = events.watch(None);
        let told = u32::try_from(KEPT).expect("small") + 10;
        (0..told).for_each(|number| events.tell(started(number)));
        assert_eq!(next(&mut watch).await, Some(Event::Lost(10)));
        assert_eq!(next(&mut watch).await, Some(started(10)));
    }

    #[tokio::test]
    async fn one_that_comes_back_goes_on_where_it_was() {
        let events = Events::default();
        (0..3).for_each(|number| events.tell(started(number)));
        let mut first = events.watch(None);
        let heard = first.next().await.expect("how it stands");
        drop(first);
        events.tell(started(3));
        events.tell(started(4));
        let mut again = events.watch(Some(heard.sequence));
        assert_eq!(
            next(&mut again).await,
            Some(started(3)),
            "neither again how it stands, nor what was before"
        );
        assert_eq!(next(&mut again).await, Some(started(4)));
        // A number from nowhere is no harm.
        let mut ahead = events.watch(Some(u64::MAX));
        events.tell(started(5));
        assert_eq!(next(&mut ahead).await, Some(started(5)));
    }
}
