//! Whether anybody uses the box: executions that the host asked for, and calls of the host that are under way.
//!
//! Told by `execution` and `services`, asked by `supervision` for the idle timeout.

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
pub struct Activity(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    uses: Mutex<Uses>,
    quiet: Notify,
    /// Whether calls are worth counting; executions always are.
    wanted: AtomicBool,
}

#[derive(Debug)]
struct Uses {
    under_way: usize,
    last: Instant,
}

/// One use, until it is dropped.
#[derive(Debug)]
pub struct Use(Activity);

impl Drop for Use {
    fn drop(&mut self) {
        self.0.end();
    }
}

impl Default for Activity {
    fn default() -> Self {
        let uses = Uses { under_way: 0, last: Instant::now() };
        Self(Arc::new(Shared {
            uses: Mutex::new(uses),
            quiet: Notify::new(),
            wanted: AtomicBool::new(false),
        }))
    }
}

impl Activity {
    /// A use begins, and lasts until the answer is dropped. `None` while nobody wants to know.
    pub fn in_use(&self) -> Option<Use> {
        self.0.wanted.load(Ordering::Relaxed).then(|| {
            self.begin();
            Use(self.clone())
        })
    }

    /// A use begins.
    pub fn begin(&self) {
        self.uses().under_way += 1;
    }

    /// A use that is over at once.
    pub fn touch(&self) {
        self.begin();
        self.end();
    }

    /// A use ends.
    pub fn end(&self) {
        let mut uses = self.uses();
        uses.under_way = uses.under_way.saturating_sub(1);
        uses.last = Instant::now();
        if uses.under_way == 0 {
            self.0.quiet.notify_one();
        }
    }

    /// Waits until nobody has used the box for `limit`. Calls are counted from the first time that this is asked.
    pub async fn idle_for(&self, limit: Duration) {
        if !self.0.wanted.swap(true, Ordering::Relaxed) {
            self.uses().last = Instant::now();
        }
        loop {
            let (busy, until) = {
                let uses = self.uses();
                (uses.under_way > 0, uses.last + limit)
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
        assert!(activity.in_use().is_none(), "nobody wants to know");
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
