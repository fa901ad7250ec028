//! Single flight: callers that want the same thing at the same time share one execution and get the events of its progress. Called
//! by `manager`; blobs that two images share, or two processes fetch, are kept apart by the locks of `store`.
//!
//! The first caller works; the others wait and take its result. When its future is dropped halfway, the next in line starts
//! over, so that no caller depends on another one's patience. A caller who comes late gets at once what has happened so far.

use std::{
    collections::HashMap,
    hash::Hash,
    sync::{Arc, Mutex, MutexGuard, PoisonError, Weak},
};

use crate::progress::{History, ProgressSink, PullEvent};

/// The executions under way, by key.
#[derive(Debug)]
pub(crate) struct Flights<K, T> {
    slots: Mutex<HashMap<K, Weak<Slot<T>>>>,
}

#[derive(Debug)]
struct Slot<T> {
    result: tokio::sync::Mutex<Option<T>>,
    relay: Arc<Mutex<Relay>>,
}

/// Passes one execution's events on to all who wait for it.
#[derive(Debug, Default)]
struct Relay {
    /// What has happened, for listeners who come late.
    history: History<PullEvent>,
    /// By number, so that a caller who goes gets no more of them.
    listeners: HashMap<u64, ProgressSink>,
    next: u64,
}

impl<K, T> Default for Flights<K, T> {
    fn default() -> Self {
        Self { slots: Mutex::default() }
    }
}

impl<K: Eq + Hash, T: Clone> Flights<K, T> {
    /// Runs `work` under `key`, or waits for the caller that does and returns its result. What `work` sends to its sink reaches
    /// every caller's `progress`.
    pub(crate) async fn run<F: Future<Output = T>>(
        &self,
        key: K,
        progress: Option<&ProgressSink>,
        work: impl FnOnce(ProgressSink) -> F,
    ) -> T {
        let slot = self.slot(key);
        let _listener = progress.map(|sink| Listener::new(&slot.relay, sink));
        let mut result = slot.result.lock().await;
        // A result is here only if it was made while this caller waited: the slot ends with the last caller.
        if let Some(result) = &*result {
            return result.clone();
        }
        let relay = Arc::clone(&slot.relay);
        // What an earlier caller, who went, had begun starts over.
        lock(&relay).history = History::default();
        let made = work(ProgressSink::new(move |event| lock(&relay).emit(event))).await;
        *result = Some(made.clone());
        made
    }

    fn slot(&self, key: K) -> Arc<Slot<T>> {
        let mut slots = self.slots.lock().unwrap_or_else(PoisonError::into_inner);
        slots.retain(|_, slot| slot.strong_count() > 0);
        if let Some(slot) = slots.get(&key).and_then(Weak::upgrade) {
            return slot;
        }
        let slot = Arc::new(Slot { result: tokio::sync::Mutex::default(), relay: Arc::default() });
        slots.insert(key, Arc::downgrade(&slot));
        slot
    }
}

impl Relay {
    fn emit(&mut self, event: PullEvent) {
        for listener in self.listeners.values() {
            listener.send(event.clone());
        }
        self.history.push(event);
    }
}

/// A caller to whom events are passed until it goes.
struct Listener {
    relay: Arc<Mutex<Relay>>,
    number: u64,
}

impl Listener {
    fn new(relay: &Arc<Mutex<Relay>>, sink: &ProgressSink) -> Self {
        let mut open = lock(relay);
        for event in open.history.after(0) {
            sink.send(event.clone());
        }
        let number = open.next;
        open.next += 1;
        open.listeners.insert(number, sink.clone());
        drop(open);
        Self { relay: Arc::clone(relay), number }
    }
}

impl Drop for Listener {
    fn drop(&mut self) {
        lock(&self.relay).listeners.remove(&self.number);
    }
}

fn lock(relay: &Mutex<Relay>) -> MutexGuard<'_, Relay> {
    relay.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use std::{
        sync::atomic::{AtomicUsize, Ordering},
        time::Duration,
    };

    use super::*;

    #[tokio::test]
    async fn callers_at_the_same_time_share_one_run() {
        let flights = Flights::default();
        let runs = AtomicUsize::new(0);
        let call = || {
            flights.run("key", None, |_| async {
                tokio::time::sleep(Duration::from_millis(20)).await;
                runs.fetch_add(1, Ordering::Relaxed)
            })
        };
        let all = futures::future::join_all((0..10).map(|_| call())).await;
        assert!(all.iter().all(|&run| run == 0));
        assert_eq!(call().await, 1, "a later caller starts anew");
    }

    #[tokio::test]
    async fn a_dropped_run_is_taken_over() {
        let flights = Arc::new(Flights::default());
        let hanging = tokio::spawn({
            let flights = Arc::clone(&flights);
            async move { flights.run("key", None, |_| std::future::pending::<u8>()).await }
        });
        tokio::task::yield_now().await;
        let second = flights.run("key", None, |_| async { 7 });
        hanging.abort();
        assert_eq!(second.await, 7);
    }

    #[tokio::test]
    async fn a_late_caller_gets_earlier_events_and_new_ones() {
        let flights = Flights::default();
        let received: [Arc<Mutex<Vec<PullEvent>>>; 2] = Default::default();
        let sinks = received
            .clone()
            .map(|received| ProgressSink::new(move |event| received.lock().unwrap().push(event)));
        let progress = |bytes| PullEvent::LayerProgress { digest: "a".to_owned(), bytes };
        let started = || PullEvent::LayerStarted { digest: "a".to_owned(), size: 9 };
        let halfway = tokio::sync::Notify::new();
        let first = flights.run("key", Some(&sinks[0]), |sink| async {
            let sink = sink;
            sink.send(started());
            sink.send(progress(1));
            sink.send(progress(2));
            halfway.notified().await;
            sink.send(progress(3));
        });
        let second = async {
            tokio::task::yield_now().await;
            let second = flights.run("key", Some(&sinks[1]), |_| async { unreachable!() });
            tokio::join!(second, async { halfway.notify_one() });
        };
        tokio::join!(first, second);
        assert_eq!(*received[0].lock().unwrap(), [started(), progress(1), progress(2), progress(3)]);
        assert_eq!(*received[1].lock().unwrap(), [started(), progress(2), progress(3)]);
    }
}
