//! `EventBus`: from one place where something happens to any number of readers, without waiting for any of them. A
//! reader who is slower than [`KEPT`] events loses the oldest and is told how many.

use std::sync::{
    Arc, Mutex, PoisonError,
    atomic::{AtomicBool, Ordering::Relaxed},
};

use tokio::sync::{
    Notify,
    broadcast::{Receiver, Sender, error::TryRecvError},
};

use crate::{
    events::{Event, EventKind},
    state::clock::now_ms,
};

/// Events that are kept for slow readers.
const KEPT: usize = 1024;

/// The events of a home, as far as this process takes part in them.
#[derive(Debug)]
pub(crate) struct EventBus {
    sender: Sender<Arc<Event>>,
    bell: Arc<Bell>,
}

/// What readers wait at.
#[derive(Debug, Default)]
struct Bell {
    /// At each event, and at the end.
    rung: Notify,
    /// Whether nothing comes any more.
    closed: AtomicBool,
}

impl Default for EventBus {
    fn default() -> Self {
        Self { sender: Sender::new(KEPT), bell: Arc::default() }
    }
}

impl EventBus {
    /// Tells what happened to a box. What nobody reads is not even made.
    pub(crate) fn tell(&self, box_id: Option<&str>, kind: impl FnOnce() -> EventKind) {
        if !self.has_readers() {
            return;
        }
        let event = Event { time_ms: now_ms(), box_id: box_id.map(str::to_owned), kind: kind() };
        let _ = self.sender.send(Arc::new(event));
        self.bell.rung.notify_waiters();
    }

    /// Nothing happens any more: readers end when they have read the rest.
    pub(crate) fn close(&self) {
        self.bell.closed.store(true, Relaxed);
        self.bell.rung.notify_waiters();
    }

    pub(crate) fn has_readers(&self) -> bool {
        self.sender.receiver_count() > 0
    }

    /// A reader of what happens from now on, to one box or to all.
    pub(crate) fn read(&self, box_id: Option<String>) -> EventStream {
        EventStream {
            box_id,
            receiver: Mutex::new(Some(self.sender.subscribe())),
            bell: Arc::clone(&self.bell),
            told: AtomicBool::new(false),
        }
    }
}

/// A reader of events. What it does not take is kept for it within bounds.
#[derive(Debug)]
pub struct EventStream {
    box_id: Option<String>,
    /// `None`: it was closed.
    receiver: Mutex<Option<Receiver<Arc<Event>>>>,
    bell: Arc<Bell>,
    /// Whether somebody was called who has not drained yet.
    told: AtomicBool,
}

impl EventStream {
    /// What happened since the last call, without waiting; `None` when it was closed, or nothing more can come.
    pub fn drain(&self) -> Option<Vec<Arc<Event>>> {
        self.told.store(false, Relaxed);
        let mut receiver = self.receiver.lock().unwrap_or_else(PoisonError::into_inner);
        let receiver = receiver.as_mut()?;
        let closed = self.bell.closed.load(Relaxed);
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

    /// Calls `wake` when there may be something to drain, and not again before it was drained, until the stream is closed.
    pub async fn tell(&self, mut wake: impl FnMut()) {
        loop {
            let changed = self.bell.rung.notified();
            tokio::pin!(changed);
            // Enabled before looking, so that no change is missed.
            changed.as_mut().enable();
            match &*self.receiver.lock().unwrap_or_else(PoisonError::into_inner) {
                None => return,
                Some(_) if self.bell.closed.load(Relaxed) => return wake(),
                Some(receiver) if receiver.is_empty() => {}
                Some(_) if self.told.swap(true, Relaxed) => {}
                Some(_) => wake(),
            }
            changed.await;
        }
    }

    /// Lets go of it: whoever waits is told.
    pub fn close(&self) {
        *self.receiver.lock().unwrap_or_else(PoisonError::into_inner) = None;
        self.bell.rung.notify_waiters();
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
        bus.tell(Some("a"), || unreachable!("nobody reads"));
        let (all, one) = (bus.read(None), bus.read(Some("a".into())));
        bus.tell(Some("a"), oom);
        bus.tell(Some("b"), oom);
        bus.tell(None, oom);
        assert_eq!((all.drain().unwrap().len(), one.drain().unwrap().len()), (3, 1));
        assert!(all.drain().unwrap().is_empty());
    }

    #[test]
    fn a_slow_reader_loses_the_oldest_and_is_told() {
        let bus = EventBus::default();
        let slow = bus.read(None);
        for _ in 0..KEPT + 5 {
            bus.tell(None, oom);
        }
        let events = slow.drain().unwrap();
        assert_eq!(events[0].kind, EventKind::Lost(5));
        assert_eq!(events.len(), KEPT + 1);
    }

    #[tokio::test]
    async fn a_reader_is_called_once_until_it_drains_and_not_after_its_end() {
        let bus = EventBus::default();
        let reader = Arc::new(bus.read(None));
        let calls = Arc::new(AtomicUsize::new(0));
        let telling = tokio::spawn({
            let (reader, calls) = (Arc::clone(&reader), Arc::clone(&calls));
            async move {
                reader
                    .tell(|| {
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
                bus.tell(None, oom);
                settle().await;
            }
            assert_eq!(calls.load(Relaxed), expected);
            assert_eq!(reader.drain().unwrap().len(), 5);
        }
        reader.close();
        telling.await.unwrap();
        assert!(!bus.has_readers());
    }

    #[tokio::test]
    async fn a_bus_that_closes_gives_the_rest_and_ends_its_readers() {
        let bus = EventBus::default();
        let reader = bus.read(None);
        bus.tell(None, oom);
        bus.close();
        let mut calls = 0;
        reader.tell(|| calls += 1).await;
        assert_eq!(calls, 1);
        assert_eq!(reader.drain().map(|events| events.len()), Some(1));
        assert_eq!(reader.drain(), None);
    }
}
