//! What happens in the box, for its watchers. A new watcher first receives the current state, and one that comes back what it
//! missed. A slow watcher loses the oldest events and receives their number.
//!
//! Emitted by the tasks of this room; watched through the Supervisor service.

use std::{
    collections::VecDeque,
    sync::Arc,
    task::Poll,
    time::{SystemTime, UNIX_EPOCH},
};

use boxlite_proto::v1::{BoxEvent, box_event::Event};
use parking_lot::Mutex;
use tokio::sync::watch;

/// Events that are kept for watchers that are slow or away. The longest have some 4 KiB of a health check's output.
const HISTORY: usize = 256;

/// The events. Clones share them.
#[derive(Debug, Clone, Default)]
pub struct Events(Arc<Shared>);

#[derive(Debug, Default)]
struct Shared {
    state: Mutex<State>,
    changed: watch::Sender<()>,
}

#[derive(Debug, Default)]
struct State {
    /// The number of events so far.
    count: u64,
    /// The latest of them.
    history: VecDeque<BoxEvent>,
    /// The latest of its kind.
    main: Option<BoxEvent>,
    health: Option<BoxEvent>,
    /// Whether the machine ends, after which nothing happens.
    closed: bool,
}

/// One watcher.
#[derive(Debug)]
pub struct Watch {
    events: Events,
    changed: watch::Receiver<()>,
    first: VecDeque<BoxEvent>,
    /// Sequence of the last event that it has received or does not want.
    position: u64,
}

impl Events {
    /// Emits an event to all watchers.
    pub fn emit(&self, event: Event) {
        let mut state = self.0.state.lock();
        if state.closed {
            return;
        }
        state.count += 1;
        let event = event_at(state.count, event);
        match &event.event {
            Some(Event::MainStarted(_) | Event::MainExited(_)) => state.main = Some(event.clone()),
            Some(Event::Health(_)) => state.health = Some(event.clone()),
            _ => {}
        }
        state.history.push_back(event);
        if state.history.len() > HISTORY {
            state.history.pop_front();
        }
        drop(state);
        self.0.changed.send_replace(());
    }

    /// Watches the events after the event `after`, or the current state and then all events.
    pub fn watch(&self, after: Option<u64>) -> Watch {
        let changed = self.0.changed.subscribe();
        let state = self.0.state.lock();
        let mut first = VecDeque::new();
        if after.is_none() {
            first.extend([&state.main, &state.health].into_iter().flatten().cloned());
            // A watcher that leaves after these has received all that was before.
            for event in &mut first {
                event.sequence = state.count;
            }
        }
        let position = after.unwrap_or(state.count).min(state.count);
        Watch { events: self.clone(), changed, first, position }
    }

    /// Ends every watch, once it has received the events so far.
    pub fn close(&self) {
        self.0.state.lock().closed = true;
        self.0.changed.send_replace(());
    }
}

impl Watch {
    /// The next event, or `None` when the machine ends. It can be cancelled without loss.
    pub async fn next(&mut self) -> Option<BoxEvent> {
        if let Some(event) = self.first.pop_front() {
            return Some(event);
        }
        loop {
            if let Poll::Ready(event) = self.poll() {
                self.position = event.as_ref()?.sequence;
                return event;
            }
            self.changed.changed().await.ok()?;
        }
    }

    /// The event after `position`, or how many of the events after it are gone. `None` if none will come.
    fn poll(&self) -> Poll<Option<BoxEvent>> {
        let state = self.events.0.state.lock();
        let gone = state.count - state.history.len() as u64;
        let Some(at) = self.position.checked_sub(gone) else {
            return Poll::Ready(Some(event_at(gone, Event::Lost(gone - self.position))));
        };
        match usize::try_from(at).ok().and_then(|at| state.history.get(at)) {
            None if !state.closed => Poll::Pending,
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
    async fn a_new_watcher_receives_the_current_state() {
        let events = Events::default();
        events.emit(started(0));
        events.emit(started(1));
        events.emit(Event::Health(HealthChanged::default()));
        let mut watch = events.watch(None);
        assert_eq!(next(&mut watch).await, Some(started(1)));
        assert_eq!(next(&mut watch).await, Some(Event::Health(HealthChanged::default())));
        events.emit(started(2));
        events.close();
        assert_eq!(next(&mut watch).await, Some(started(2)));
        assert_eq!(next(&mut watch).await, None);
        assert!(events.watch(None).next().await.is_some(), "the last state");
    }

    #[tokio::test]
    async fn a_slow_watcher_receives_the_number_of_what_it_lost() {
        let events = Events::default();
        let mut watch = events.watch(None);
        let emitted = u32::try_from(HISTORY).expect("small") + 10;
        (0..emitted).for_each(|number| events.emit(started(number)));
        assert_eq!(next(&mut watch).await, Some(Event::Lost(10)));
        assert_eq!(next(&mut watch).await, Some(started(10)));
    }

    #[tokio::test]
    async fn a_watcher_that_comes_back_continues_where_it_was() {
        let events = Events::default();
        (0..3).for_each(|number| events.emit(started(number)));
        let mut first = events.watch(None);
        let received = first.next().await.expect("the current state");
        drop(first);
        events.emit(started(3));
        events.emit(started(4));
        let mut again = events.watch(Some(received.sequence));
        assert_eq!(next(&mut again).await, Some(started(3)), "neither the state again, nor what was before");
        assert_eq!(next(&mut again).await, Some(started(4)));
        // A number that never was does no harm.
        let mut ahead = events.watch(Some(u64::MAX));
        events.emit(started(5));
        assert_eq!(next(&mut ahead).await, Some(started(5)));
    }
}
