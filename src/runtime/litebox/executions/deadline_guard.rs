//! What a box may still say when the time of an execution is over. It ends the process itself, so one that goes on lies, and
//! its caller must not wait for it for ever.
//!
//! Kept by `execution` beside the output it reads. Its clock runs only while this process does: a host that was frozen for a
//! minute, by SIGSTOP or by sleeping, has not waited for a minute, and the box is not to blame.

use std::{future::pending, time::Duration};

use tokio::time::{Instant, sleep};

/// How long after its time an execution may take to end: the box's own grace is 2 s, and emulation on a loaded machine is slow.
const GRACE: Duration = Duration::from_secs(30);

/// Most bytes of output after that: more than pipes, the box's memory of each stream and the connection's windows hold.
const LATE: usize = 4 << 20;

/// How often the clock is looked at by one who waits.
const STEP: Duration = Duration::from_secs(1);

/// The time of one execution.
#[derive(Debug)]
pub(in crate::litebox) struct Overtime {
    /// `None`: it has all the time there is.
    most: Option<Duration>,
    /// How long its reader has waited and read.
    waited: Duration,
    looked: Instant,
    late: usize,
}

impl Overtime {
    /// For one that may run `timeout_ms`; 0 is for ever.
    pub(in crate::litebox) fn new(timeout_ms: u64) -> Self {
        let most = (timeout_ms > 0).then(|| Duration::from_millis(timeout_ms).saturating_add(GRACE));
        Self { most, waited: Duration::ZERO, looked: Instant::now(), late: 0 }
    }

    /// Counts output; false if there was too much of it after the end.
    pub(in crate::litebox) fn admits(&mut self, bytes: usize) -> bool {
        if self.is_over() {
            self.late += bytes;
        }
        self.late <= LATE
    }

    /// Resolves when a box that says nothing has had its time. Dropping it and beginning anew loses none of it.
    pub(in crate::litebox) async fn silence(&mut self) {
        if self.most.is_none() {
            pending::<()>().await;
        }
        while !self.is_over() {
            sleep(STEP).await;
        }
    }

    /// Of a longer time than this since the last look, in which nobody waited or this process stood still, no more counts.
    fn is_over(&mut self) -> bool {
        let Some(most) = self.most else { return false };
        let now = Instant::now();
        self.waited = self.waited.saturating_add((now - self.looked).min(2 * STEP));
        self.looked = now;
        self.waited > most
    }
}

#[cfg(test)]
mod tests {
    use tokio::time::advance;

    use super::*;

    async fn read_for(seconds: u32, overtime: &mut Overtime, bytes: usize) -> bool {
        for _ in 0..seconds {
            advance(STEP).await;
            if !overtime.admits(bytes) {
                return false;
            }
        }
        true
    }

    #[tokio::test(start_paused = true)]
    async fn output_after_the_end_is_bounded_and_output_before_it_is_not() {
        let mut timed = Overtime::new(1000);
        assert!(read_for(31, &mut timed, 100 << 20).await);
        assert!(read_for(4, &mut timed, 1 << 20).await);
        assert!(!read_for(1, &mut timed, 1).await);
        let mut free = Overtime::new(0);
        assert!(read_for(3200, &mut free, 100 << 20).await);
    }

    #[tokio::test(start_paused = true)]
    async fn silence_is_over_after_its_time_though_it_is_begun_anew_again_and_again() {
        let begun = Instant::now();
        let mut timed = Overtime::new(1000);
        while tokio::time::timeout(Duration::from_millis(300), timed.silence()).await.is_err() {}
        let took = begun.elapsed();
        assert!(took > Duration::from_secs(31) && took < Duration::from_secs(33), "{took:?}");
    }

    #[tokio::test(start_paused = true)]
    async fn a_host_that_was_frozen_has_not_waited() {
        let mut timed = Overtime::new(1000);
        assert!(timed.admits(1));
        advance(Duration::from_hours(1)).await;
        assert!(timed.admits(100 << 20));
        let begun = Instant::now();
        timed.silence().await;
        assert!(begun.elapsed() > Duration::from_secs(25), "{:?}", begun.elapsed());
    }
}
