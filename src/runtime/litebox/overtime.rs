//! What a box may still say when the time of an execution is over. It ends the process itself, so one that goes on lies, and
//! its caller must not wait for it for ever.
//!
//! Kept by `execution` beside the output it reads.

use std::{future::pending, time::Duration};

use tokio::time::{Instant, sleep_until};

/// How long after its time an execution may take to end: the box's own grace is 2 s, and emulation on a loaded machine is slow.
const GRACE: Duration = Duration::from_secs(30);

/// Most bytes of output after that: more than pipes, the box's memory of each stream and the connection's windows hold.
const LATE: usize = 4 << 20;

/// The time of one execution.
#[derive(Debug)]
pub(super) struct Overtime {
    /// `None`: it has all the time there is.
    over: Option<Instant>,
    late: usize,
}

impl Overtime {
    /// For one that may run `timeout_ms`; 0 is for ever.
    pub(super) fn new(timeout_ms: u64) -> Self {
        let over =
            (timeout_ms > 0).then(|| Instant::now().checked_add(Duration::from_millis(timeout_ms) + GRACE));
        Self { over: over.flatten(), late: 0 }
    }

    /// Counts output; false if there was too much of it after the end.
    pub(super) fn admits(&mut self, bytes: usize) -> bool {
        if self.over.is_some_and(|over| Instant::now() > over) {
            self.late += bytes;
        }
        self.late <= LATE
    }

    /// Resolves when a box that says nothing has had its time. A reader that comes late gives it some more.
    pub(super) async fn silence(&self) {
        match self.over {
            Some(over) => sleep_until(over.max(Instant::now() + GRACE / 3)).await,
            None => pending().await,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn output_after_the_end_is_bounded_and_output_before_it_is_not() {
        let mut timed = Overtime::new(1000);
        assert!(timed.admits(100 << 20));
        tokio::time::sleep(Duration::from_secs(32)).await;
        assert!(timed.admits(4 << 20));
        assert!(!timed.admits(1));
        let mut free = Overtime::new(0);
        tokio::time::sleep(Duration::from_secs(3200)).await;
        assert!(free.admits(100 << 20));
    }
}
