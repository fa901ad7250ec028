//! `PendingWatches`: the watches of a box that were requested and are not set yet. Later calls wait for them, so that a watch misses
//! no change which its own caller makes afterwards: calls travel side by side, in no order.
//!
//! `Files::watch` begins one; everything else that reaches into the box waits here first.

use tokio::sync::watch;

/// The number of watches that are not set yet.
#[derive(Debug, Default)]
pub(in crate::litebox) struct PendingWatches(watch::Sender<usize>);

/// One of them, until it is set or has failed.
#[derive(Debug)]
pub(in crate::litebox) struct PendingWatch(watch::Sender<usize>);

impl PendingWatches {
    /// Makes others wait until the value that it returns is dropped.
    pub(in crate::litebox) fn begin(&self) -> PendingWatch {
        self.0.send_modify(|pending| *pending += 1);
        PendingWatch(self.0.clone())
    }

    /// Waits until none is pending.
    pub(in crate::litebox) async fn settled(&self) {
        if *self.0.borrow() > 0 {
            // Fails only when the sender is dropped, which `self` holds.
            let _ = self.0.subscribe().wait_for(|pending| *pending == 0).await;
        }
    }
}

impl Drop for PendingWatch {
    fn drop(&mut self) {
        self.0.send_modify(|pending| *pending -= 1);
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use tokio::time::timeout;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn later_calls_wait_for_all_pending_watches() {
        let watches = PendingWatches::default();
        watches.settled().await;
        let (one, other) = (watches.begin(), watches.begin());
        drop(one);
        assert!(timeout(Duration::from_secs(1), watches.settled()).await.is_err());
        drop(other);
        watches.settled().await;
    }
}
