//! The box's limits in time: how long it may run, until when, and how long unused.
//!
//! Set by `begin`, watched by `limit_watch`.

use std::{
    future::pending,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use boxlite_proto::v1::{Supervision, limit_reached::Limit};
use tokio::time::{Instant, sleep, sleep_until};

use crate::activity::Activity;

/// Time between two looks at the clock, which may be set meanwhile, as after a sleep of the host.
const LOOK: Duration = Duration::from_secs(2);

/// The limits, of which 0 is none.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Limits {
    pub(super) max_lifetime_ms: u64,
    pub(super) idle_timeout_ms: u64,
    /// Milliseconds since the Unix epoch.
    pub(super) ends_at: u64,
}

impl Limits {
    pub(super) fn of(config: &Supervision) -> Self {
        Self {
            max_lifetime_ms: config.max_lifetime_ms,
            idle_timeout_ms: config.idle_timeout_ms,
            ends_at: config.ends_at_unix_ms,
        }
    }
}

/// Waits for the first of `limits` to be reached. The lifetime counts from `began`.
pub(super) async fn reached(activity: &Activity, began: Instant, limits: Limits) -> Limit {
    let Limits { max_lifetime_ms, idle_timeout_ms, ends_at } = limits;
    let lived = async {
        match began.checked_add(Duration::from_millis(max_lifetime_ms)).filter(|_| max_lifetime_ms > 0) {
            Some(end) => sleep_until(end).await,
            None => pending().await,
        }
    };
    let idle = async {
        match idle_timeout_ms {
            0 => pending().await,
            limit => activity.idle_for(Duration::from_millis(limit)).await,
        }
    };
    tokio::select! {
        () = lived => Limit::MaxLifetime,
        () = idle => Limit::IdleTimeout,
        () = until(ends_at, unix_now) => Limit::EndsAt,
    }
}

/// Waits until the clock `now`, which may be set meanwhile, has reached `unix_ms`. 0 is never reached.
async fn until(unix_ms: u64, now: impl Fn() -> Duration) {
    if unix_ms == 0 {
        return pending().await;
    }
    let end = Duration::from_millis(unix_ms);
    while let left @ 1.. = end.saturating_sub(now()).as_nanos() {
        sleep(LOOK.min(Duration::from_nanos(u64::try_from(left).unwrap_or(u64::MAX)))).await;
    }
}

fn unix_now() -> Duration {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use std::sync::{
        Arc,
        atomic::{AtomicU64, Ordering::SeqCst},
    };

    use tokio::time::timeout;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_moment_comes_by_the_clock_also_when_that_is_set() {
        let clock = Arc::new(AtomicU64::new(1000));
        let read = Arc::clone(&clock);
        let now = move || Duration::from_secs(read.load(SeqCst));
        let waiting = tokio::spawn(until(5_000_000, now));
        sleep(Duration::from_hours(2)).await;
        assert!(!waiting.is_finished(), "the clock stands still");
        // As after a host's sleep.
        clock.store(5000, SeqCst);
        timeout(Duration::from_secs(3), waiting).await.unwrap().unwrap();
    }

    #[tokio::test(start_paused = true)]
    async fn a_moment_is_met_exactly_and_none_never_comes() {
        let began = Instant::now();
        until(7500, || Instant::now() - began).await;
        assert_eq!((Instant::now() - began).as_millis(), 7500);
        assert!(timeout(Duration::from_hours(1), until(0, || Duration::MAX)).await.is_err());
    }
}
