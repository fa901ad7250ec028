//! `DeadlineGuard`: how long the output of an execution with a timeout is waited for. The box ends the process itself, so one that
//! goes on is a box that lies, and its caller must not wait for it for ever.
//!
//! Kept by `output`. Its clock runs only while this process runs: a host that was frozen for a minute, by SIGSTOP or by sleeping,
//! has not waited for a minute.

use std::{future::pending, time::Duration};

use tokio::time::{Instant, sleep};

/// How long after its timeout an execution may take to end: the box's own grace is 2 s, and emulation on a loaded machine is slow.
const GRACE: Duration = Duration::from_secs(30);

/// Most bytes of output after that: more than the pipes, the box's replay buffers and the connection's windows hold together.
const LATE: usize = 4 << 20;

/// How often a waiting reader checks the clock.
const STEP: Duration = Duration::from_secs(1);

/// The deadline of one execution.
#[derive(Debug)]
pub(super) struct DeadlineGuard {
    /// The timeout and the grace after it; `None` without a timeout.
    most: Option<Duration>,
    /// How long its reader has waited and read.
    waited: Duration,
    checked: Instant,
    /// Bytes of output after the deadline.
    late: usize,
}

impl DeadlineGuard {
    /// The guard of an execution that may run `timeout_ms` milliseconds; 0 is for ever.
    pub(super) fn new(timeout_ms: u64) -> Self {
        let most = (timeout_ms > 0).then(|| Duration::from_millis(timeout_ms).saturating_add(GRACE));
        Self { most, waited: Duration::ZERO, checked: Instant::now(), late: 0 }
    }

    /// Counts output. Returns false if there was too much of it after the deadline.
    pub(super) fn admit(&mut self, bytes: usize) -> bool {
        if self.is_over() {
            self.late += bytes;
        }
        self.late <= LATE
    }

    /// Resolves when the deadline has passed. The time that a dropped future waited is counted, too.
    pub(super) async fn passed(&mut self) {
        if self.most.is_none() {
            pending::<()>().await;
        }
        while !self.is_over() {
            sleep(STEP).await;
        }
    }

    /// Counts at most two steps of the time since the last check: in the rest of a longer time, nobody waited or this process
    /// was frozen.
    fn is_over(&mut self) -> bool {
        let Some(most) = self.most else { return false };
        let now = Instant::now();
        self.waited = self.waited.saturating_add((now - self.checked).min(2 * STEP));
        self.checked = now;
        self.waited > most
    }
}

#[cfg(test)]
mod tests {
    use tokio::time::advance;

    use super::*;

    async fn read_for(seconds: u32, guard: &mut DeadlineGuard, bytes: usize) -> bool {
        for _ in 0..seconds {
            advance(STEP).await;
            if !guard.admit(bytes) {
                return false;
            }
        }
        true
    }

    #[tokio::test(start_paused = true)]
    async fn output_after_the_deadline_is_bounded_and_output_before_it_is_not() {
        let mut timed = DeadlineGuard::new(1000);
        assert!(read_for(31, &mut timed, 100 << 20).await);
        assert!(read_for(4, &mut timed, 1 << 20).await);
        assert!(!read_for(1, &mut timed, 1).await);
        let mut free = DeadlineGuard::new(0);
        assert!(read_for(3200, &mut free, 100 << 20).await);
    }

    #[tokio::test(start_paused = true)]
    async fn the_deadline_passes_though_the_wait_is_dropped_again_and_again() {
        let begun = Instant::now();
        let mut timed = DeadlineGuard::new(1000);
        while tokio::time::timeout(Duration::from_millis(300), timed.passed()).await.is_err() {}
        let took = begun.elapsed();
        assert!(took > Duration::from_secs(31) && took < Duration::from_secs(33), "{took:?}");
    }

    #[tokio::test(start_paused = true)]
    async fn a_host_that_was_frozen_has_not_waited() {
        let mut timed = DeadlineGuard::new(1000);
        assert!(timed.admit(1));
        advance(Duration::from_hours(1)).await;
        assert!(timed.admit(100 << 20));
        let begun = Instant::now();
        timed.passed().await;
        assert!(begun.elapsed() > Duration::from_secs(25), "{:?}", begun.elapsed());
    }
}
