//! `Watches`: those of a box that were asked for and do not stand yet. What is asked of the box after that waits for them, as
//! after Node's own `watch`, which misses no change that is made after the call: calls travel side by side, in no order.
//!
//! Entered by `Files::watch`; everything else that reaches into the box asks here first.

use tokio::sync::watch;

/// How many there are.
#[derive(Debug, Default)]
pub(in crate::litebox) struct Watches(watch::Sender<usize>);

/// One of them, until it stands or has failed.
#[derive(Debug)]
pub(in crate::litebox) struct Rising(watch::Sender<usize>);

impl Watches {
    /// From now on, others wait.
    pub(in crate::litebox) fn begin(&self) -> Rising {
        self.0.send_modify(|rising| *rising += 1);
        Rising(self.0.clone())
    }

    /// Waits for those that were begun.
    pub(in crate::litebox) async fn stand(&self) {
        if *self.0.borrow() > 0 {
            // Fails only when the sender is gone, which is here.
            let _ = self.0.subscribe().wait_for(|rising| *rising == 0).await;
        }
    }
}

impl Drop for Rising {
    fn drop(&mut self) {
        self.0.send_modify(|rising| *rising -= 1);
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use tokio::time::timeout;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn what_comes_later_waits_for_all_of_them() {
        let watches = Watches::default();
        watches.stand().await;
        let (one, other) = (watches.begin(), watches.begin());
        drop(one);
        assert!(timeout(Duration::from_secs(1), watches.stand()).await.is_err());
        drop(other);
        watches.stand().await;
    }
}
