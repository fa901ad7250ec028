//! `Activity`: when something was last used, and a wait for its idle time. Held by half-closed connections and by the peers of a UDP port.

use std::{
    sync::{Mutex, PoisonError},
    time::Duration,
};

use tokio::time::{Instant, sleep_until};

/// When something was last used.
#[derive(Debug)]
pub(super) struct Activity(Mutex<Instant>);

impl Activity {
    /// Used now.
    pub(super) fn new() -> Self {
        Self(Mutex::new(Instant::now()))
    }

    /// Notes a use.
    pub(super) fn touch(&self) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Instant::now();
    }

    /// When it was last used.
    pub(super) fn last(&self) -> Instant {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Returns once it was not used for `limit`.
    pub(super) async fn idle(&self, limit: Duration) {
        loop {
            let end = self.last() + limit;
            if Instant::now() >= end {
                return;
            }
            sleep_until(end).await;
        }
    }
}
