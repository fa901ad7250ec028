//! Whether anybody uses the box: executions that the host requested, and calls of the host that are in progress.
//!
//! Updated by `execution` and `services`, read by `supervision` for the idle timeout.

use std::{sync::Arc, time::Duration};

use tokio::{
    sync::watch,
    time::{Instant, sleep_until},
};

/// The uses of the box. Clones share them.
#[derive(Debug, Clone)]
pub struct Activity(Arc<watch::Sender<Uses>>);

#[derive(Debug)]
struct Uses {
    in_progress: usize,
    last: Instant,
    /// Whether calls are counted. Executions always are.
    counts_calls: bool,
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
        let uses = Uses { in_progress: 0, last: Instant::now(), counts_calls: false };
        Self(Arc::new(watch::Sender::new(uses)))
    }
}

impl Activity {
    /// Begins a use that lasts until the value is dropped. `None` while calls are not counted.
    pub fn in_use(&self) -> Option<Use> {
        let counted = self.0.borrow().counts_calls;
        counted.then(|| {
            self.begin();
            Use(self.clone())
        })
    }

    /// Begins a use that lasts until the value is dropped, whether or not calls are counted: it may outlast the moment from which on they
    /// are.
    pub fn hold(&self) -> Use {
        self.begin();
        Use(self.clone())
    }

    /// Begins a use.
    pub fn begin(&self) {
        self.0.send_if_modified(|uses| {
            uses.in_progress += 1;
            false
        });
    }

    /// Begins and ends a use.
    pub fn touch(&self) {
        self.begin();
        self.end();
    }

    /// Ends a use.
    pub fn end(&self) {
        self.0.send_if_modified(|uses| {
            uses.in_progress = uses.in_progress.saturating_sub(1);
            uses.last = Instant::now();
            uses.in_progress == 0
        });
    }

    /// Waits until nobody has used the box for `limit`. Calls are counted from the first call of this function on.
    pub async fn idle_for(&self, limit: Duration) {
        self.0.send_if_modified(|uses| {
            if !uses.counts_calls {
                (uses.counts_calls, uses.last) = (true, Instant::now());
            }
            false
        });
        let mut uses = self.0.subscribe();
        loop {
            let until = {
                let uses = uses.borrow_and_update();
                (uses.in_progress == 0).then(|| uses.last + limit)
            };
            match until {
                // The sender lives in `self`.
                None => drop(uses.changed().await),
                Some(until) if Instant::now() >= until => return,
                Some(until) => sleep_until(until).await,
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use tokio::time::timeout;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn what_is_held_is_a_use_also_if_it_began_before_calls_were_counted() {
        let activity = Activity::default();
        let held = activity.hold();
        assert!(timeout(Duration::from_mins(1), activity.idle_for(Duration::from_secs(1))).await.is_err());
        drop(held);
        assert!(timeout(Duration::from_secs(2), activity.idle_for(Duration::from_secs(1))).await.is_ok());
    }

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
