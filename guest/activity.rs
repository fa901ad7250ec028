//! Whether anybody uses the box: executions that the host requested, and calls of the host that are in progress.
//!
//! Updated by `execution` and `services`, read by `supervision` for the idle timeout.

use std::{
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use tokio::{
    sync::Notify,
    time::{Instant, sleep_until},
};

/// The uses of the box. Clones share them.
#[derive(Debug, Clone)]
pub struct Activity(Arc<State>);

#[derive(Debug)]
struct State {
    uses: Mutex<Uses>,
    quiet: Notify,
    /// Whether calls are counted. Executions always are.
    counts_calls: AtomicBool,
}

#[derive(Debug)]
struct Uses {
    in_progress: usize,
    last: Instant,
}

/// One use of the box, until it is dropped.
#[derive(Debug)]
pub struct Use(Activity);

impl Drop for Use {
    fn drop(&mut self) {
        self.0.end();
    }
}

impl Default for Activity {
    fn default() -> Self {
        let uses = Uses { in_progress: 0, last: Instant::now() };
        Self(Arc::new(State {
            uses: Mutex::new(uses),
            quiet: Notify::new(),
            counts_calls: AtomicBool::new(false),
        }))
    }
}

impl Activity {
    /// Begins a use that lasts until the value is dropped. `None` while calls are not counted.
    pub fn in_use(&self) -> Option<Use> {
        self.0.counts_calls.load(Ordering::Relaxed).then(|| {
            self.begin();
            Use(self.clone())
        })
    }

    /// Begins a use.
    pub fn begin(&self) {
        self.uses().in_progress += 1;
    }

    /// Begins and ends a use.
    pub fn touch(&self) {
        self.begin();
        self.end();
    }

    /// Ends a use.
    pub fn end(&self) {
        let mut uses = self.uses();
        uses.in_progress = uses.in_progress.saturating_sub(1);
        uses.last = Instant::now();
        if uses.in_progress == 0 {
            self.0.quiet.notify_one();
        }
    }

    /// Waits until nobody has used the box for `limit`. Calls are counted from the first call of this function on.
    pub async fn idle_for(&self, limit: Duration) {
        if !self.0.counts_calls.swap(true, Ordering::Relaxed) {
            self.uses().last = Instant::now();
        }
        loop {
            let (busy, until) = {
                let uses = self.uses();
                (uses.in_progress > 0, uses.last + limit)
            };
            if busy {
                self.0.quiet.notified().await;
            } else if Instant::now() >= until {
                return;
            } else {
                sleep_until(until).await;
            }
        }
    }

    fn uses(&self) -> MutexGuard<'_, Uses> {
        self.0.uses.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use tokio::time::timeout;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn idle_is_counted_from_the_last_use() {
        let activity = Activity::default();
        let limit = Duration::from_secs(10);
        assert!(activity.in_use().is_none(), "calls are not counted yet");
        assert!(timeout(Duration::from_secs(9), activity.idle_for(limit)).await.is_err());
        let one = activity.in_use();
        assert!(timeout(Duration::from_mins(1), activity.idle_for(limit)).await.is_err(), "it is in use");
        drop(one);
        assert!(timeout(Duration::from_secs(9), activity.idle_for(limit)).await.is_err());
        drop(activity.in_use());
        assert!(timeout(Duration::from_secs(9), activity.idle_for(limit)).await.is_err(), "used since");
        assert!(timeout(Duration::from_secs(2), activity.idle_for(limit)).await.is_ok());
    }
}
