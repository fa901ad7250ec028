//! Single flight: callers that want the same thing at the same time share one execution. Called by `manager`; blobs that
//! two images share are kept apart by the lock of `store`.
//!
//! The first caller works; the others wait and take its result. When its future is dropped halfway, the next in line
//! starts over, so nobody depends on another's patience.

use std::{
    collections::HashMap,
    hash::Hash,
    sync::{Arc, Mutex, PoisonError, Weak},
};

type Slot<T> = tokio::sync::Mutex<Option<T>>;

/// The executions under way, by key.
#[derive(Debug)]
pub(crate) struct Flights<K, T> {
    slots: Mutex<HashMap<K, Weak<Slot<T>>>>,
}

impl<K, T> Default for Flights<K, T> {
    fn default() -> Self {
        Self { slots: Mutex::default() }
    }
}

impl<K: Eq + Hash, T: Clone> Flights<K, T> {
    /// Runs `work` under `key`, or waits for the caller that does and returns its result.
    pub(crate) async fn run(&self, key: K, work: impl Future<Output = T>) -> T {
        let slot = self.slot(key);
        let mut result = slot.lock().await;
        // A result is here only if it was made while this caller waited: the slot dies with the last who wants it.
        if let Some(result) = &*result {
            return result.clone();
        }
        let made = work.await;
        *result = Some(made.clone());
        made
    }

    fn slot(&self, key: K) -> Arc<Slot<T>> {
        let mut slots = self.slots.lock().unwrap_or_else(PoisonError::into_inner);
        slots.retain(|_, slot| slot.strong_count() > 0);
        if let Some(slot) = slots.get(&key).and_then(Weak::upgrade) {
            return slot;
        }
        let slot = Arc::default();
        slots.insert(key, Arc::downgrade(&slot));
        slot
    }
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
            flights.run("key", async {
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
            async move { flights.run("key", std::future::pending::<u8>()).await }
        });
        tokio::task::yield_now().await;
        let second = flights.run("key", async { 7 });
        hanging.abort();
        assert_eq!(second.await, 7);
    }
}
