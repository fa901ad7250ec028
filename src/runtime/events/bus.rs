//! `EventBus`: broadcasts events to any number of readers without waiting for any of them. A reader that falls more than
//! [`CAPACITY`] events behind loses the oldest and gets their number.

use std::sync::{
    Arc, Mutex, PoisonError,
    atomic::{AtomicBool, AtomicU64, Ordering::Relaxed},
};

use tokio::sync::{
    Notify,
    broadcast::{Receiver, Sender, error::TryRecvError},
};

use crate::{
    events::{Event, EventKind},
    state::clock::now_ms,
};

/// The most events that wait for a slow reader.
const CAPACITY: usize = 1024;

/// The events of a home that this process causes or sees.
#[derive(Debug)]
pub(crate) struct EventBus {
    sender: Sender<Arc<Event>>,
    wakeup: Arc<Wakeup>,
    /// When the first of the readers began, in milliseconds since the Unix epoch.
    read_since_ms: AtomicU64,
}

/// Wakes readers.
#[derive(Debug, Default)]
struct Wakeup {
    /// Notified at each event and when the bus closes.
    changed: Notify,
    /// Whether the bus is closed, so that no event follows.
    closed: AtomicBool,
}

impl Default for EventBus {
    fn default() -> Self {
        Self { sender: Sender::new(CAPACITY), wakeup: Arc::default(), read_since_ms: AtomicU64::new(0) }
    }
}

impl EventBus {
    /// Sends an event of a box to the readers. Without readers `kind` is not called.
    pub(crate) fn emit(&self, box_id: Option<&str>, kind: impl FnOnce() -> EventKind) {
        if !self.has_readers() {
            return;
        }
        let event = Event { time_ms: now_ms(), box_id: box_id.map(str::to_owned), kind: kind() };
        let _ = self.sender.send(Arc::new(event));
        self.wakeup.changed.notify_waiters();
    }

    /// Closes the bus. Readers get the rest and then end.
    pub(crate) fn close(&self) {
        self.wakeup.closed.store(true, Relaxed);
        self.wakeup.changed.notify_waiters();
    }

    pub(crate) fn has_readers(&self) -> bool {
        self.sender.receiver_count() > 0
    }

    /// Since when events are read, in milliseconds since the Unix epoch; now, if nobody reads.
    pub(crate) fn read_since_ms(&self) -> u64 {
        if self.has_readers() { self.read_since_ms.load(Relaxed) } else { now_ms() }
    }

    /// Returns a reader of later events of one box, or of all if `box_id` is `None`.
    pub(crate) fn read(&self, box_id: Option<String>) -> EventStream {
        if !self.has_readers() {
            self.read_since_ms.store(now_ms(), Relaxed);
        }
        EventStream {
            box_id,
            receiver: Mutex::new(Some(self.sender.subscribe())),
            wakeup: Arc::clone(&self.wakeup),
            notified: AtomicBool::new(false),
        }
    }
}

/// A reader of events. The bus queues events for it up to a bound.
#[derive(Debug)]
pub struct EventStream {
    box_id: Option<String>,
    /// `None` after the stream was closed.
    receiver: Mutex<Option<Receiver<Arc<Event>>>>,
    wakeup: Arc<Wakeup>,
    /// Whether `wake` was called since the last `drain`.
    notified: AtomicBool,
}

impl EventStream {
    /// Returns the events since the last call, without waiting. Returns `None` once the stream was closed or no event can follow.
    pub fn drain(&self) -> Option<Vec<Arc<Event>>> {
        self.notified.store(false, Relaxed);
        let mut receiver = self.receiver.lock().unwrap_or_else(PoisonError::into_inner);
        let receiver = receiver.as_mut()?;
        let closed = self.wakeup.closed.load(Relaxed);
        let mut events = Vec::new();
        loop {
            match receiver.try_recv() {
                Ok(event) if self.admits(&event) => events.push(event),
                Ok(_) => {}
                Err(TryRecvError::Lagged(count)) => events.push(Arc::new(Event {
                    time_ms: now_ms(),
                    box_id: None,
                    kind: EventKind::Lost(count),
                })),
                Err(TryRecvError::Empty | TryRecvError::Closed) => {
                    return (!closed || !events.is_empty()).then_some(events);
                }
            }
        }
    }

    /// Calls `wake` once when there may be events to drain, and again only after a `drain`. Returns when the stream is closed.
    pub async fn notify(&self, mut wake: impl FnMut()) {
        loop {
            let changed = self.wakeup.changed.notified();
            tokio::pin!(changed);
            // Enable before the check, so that no change is missed.
            changed.as_mut().enable();
            match &*self.receiver.lock().unwrap_or_else(PoisonError::into_inner) {
                None => return,
                Some(_) if self.wakeup.closed.load(Relaxed) => return wake(),
                Some(receiver) if receiver.is_empty() => {}
                Some(_) if self.notified.swap(true, Relaxed) => {}
                Some(_) => wake(),
            }
            changed.await;
        }
    }

    /// Closes the stream, which ends `notify`.
    pub fn close(&self) {
        *self.receiver.lock().unwrap_or_else(PoisonError::into_inner) = None;
        self.wakeup.changed.notify_waiters();
    }

    fn admits(&self, event: &Event) -> bool {
        self.box_id.is_none() || self.box_id == event.box_id
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::AtomicUsize;

    use super::*;

    fn oom() -> EventKind {
        EventKind::OutOfMemory { execution_id: None }
    }

    #[test]
    fn a_reader_gets_what_happens_to_its_box_from_then_on() {
        let bus = EventBus::default();
        bus.emit(Some("a"), || unreachable!("nobody reads"));
        let (all, one) = (bus.read(None), bus.read(Some("a".into())));
        bus.emit(Some("a"), oom);
        bus.emit(Some("b"), oom);
        bus.emit(None, oom);
        assert_eq!((all.drain().unwrap().len(), one.drain().unwrap().len()), (3, 1));
        assert!(all.drain().unwrap().is_empty());
    }

    #[test]
    fn a_slow_reader_loses_the_oldest_and_is_told() {
        let bus = EventBus::default();
        let slow = bus.read(None);
        for _ in 0..CAPACITY + 5 {
            bus.emit(None, oom);
        }
        let events = slow.drain().unwrap();
        assert_eq!(events[0].kind, EventKind::Lost(5));
        assert_eq!(events.len(), CAPACITY + 1);
    }

    #[tokio::test]
    async fn a_reader_is_called_once_until_it_drains_and_not_after_its_end() {
        let bus = EventBus::default();
        let reader = Arc::new(bus.read(None));
        let calls = Arc::new(AtomicUsize::new(0));
        let notifying = tokio::spawn({
            let (reader, calls) = (Arc::clone(&reader), Arc::clone(&calls));
            async move {
                reader
                    .notify(|| {
                        calls.fetch_add(1, Relaxed);
                    })
                    .await;
            }
        });
        let settle = || async {
            for _ in 0..10 {
                tokio::task::yield_now().await;
            }
        };
        settle().await;
        for expected in [1, 2] {
            for _ in 0..5 {
                bus.emit(None, oom);
                settle().await;
            }
            assert_eq!(calls.load(Relaxed), expected);
            assert_eq!(reader.drain().unwrap().len(), 5);
        }
        reader.close();
        notifying.await.unwrap();
        assert!(!bus.has_readers());
    }

    #[tokio::test]
    async fn a_bus_that_closes_gives_the_rest_and_ends_its_readers() {
        let bus = EventBus::default();
        let reader = bus.read(None);
        bus.emit(None, oom);
        bus.close();
        let mut calls = 0;
        reader.notify(|| calls += 1).await;
        assert_eq!(calls, 1);
        assert_eq!(reader.drain().map(|events| events.len()), Some(1));
        assert_eq!(reader.drain(), None);
    }
}
