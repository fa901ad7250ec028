//! A token bucket: so much per second, with short bursts. Bounds the link's bandwidth and the number of new connections.

use std::time::{Duration, Instant};

/// How much time's worth of bandwidth may go at once.
const BURST: Duration = Duration::from_millis(50);
/// The smallest burst, which is two packets of the usual size.
const BURST_MIN: u64 = 3028;

/// A bucket of tokens. Spending may overdraw it; then nothing is available until it is filled again.
#[derive(Debug)]
pub(super) struct Bucket {
    /// Tokens per second; 0 means no bound.
    rate: u64,
    burst: u64,
    /// In millionths of a token, so that slow rates fill without rounding.
    tokens: i128,
    filled: Instant,
    /// Whether somebody was told that nothing is available.
    waiting: bool,
}

const MILLION: i128 = 1_000_000;

impl Bucket {
    /// A bound of bytes per second; 0 means none.
    pub(super) fn bandwidth(rate: u64, now: Instant) -> Self {
        let burst = u64::try_from(u128::from(rate) * BURST.as_millis() / 1000).unwrap_or(u64::MAX);
        Self::new(rate, burst.max(BURST_MIN), now)
    }

    /// A bound of events per second, of which a whole second's may come at once.
    pub(super) fn events(rate: u32, now: Instant) -> Self {
        Self::new(rate.into(), rate.into(), now)
    }

    fn new(rate: u64, burst: u64, now: Instant) -> Self {
        Self { rate, burst, tokens: i128::from(burst) * MILLION, filled: now, waiting: false }
    }

    /// How many tokens may be spent now. After none, there is something again at [`Self::wake_at`].
    pub(super) fn available(&mut self, now: Instant) -> usize {
        if self.rate == 0 {
            return usize::MAX;
        }
        let passed =
            now.saturating_duration_since(self.filled).as_micros().min(u128::from(u32::MAX) * 1_000_000);
        self.filled = now;
        let added = i128::try_from(passed).unwrap_or(0) * i128::from(self.rate);
        self.tokens = (self.tokens + added).min(i128::from(self.burst) * MILLION);
        let enough = if self.waiting { self.quantum() } else { MILLION };
        self.waiting = self.tokens < enough;
        if self.waiting { 0 } else { usize::try_from(self.tokens / MILLION).unwrap_or(0) }
    }

    /// One who waits is woken for half a burst, not for each byte.
    fn quantum(&self) -> i128 {
        (i128::from(self.burst) * MILLION / 2).clamp(MILLION, 32 * 1024 * MILLION)
    }

    /// Spends tokens.
    pub(super) fn spend(&mut self, count: usize) {
        if self.rate > 0 {
            self.tokens -= i128::try_from(count).unwrap_or(i128::MAX / 2) * MILLION;
        }
    }

    /// When somebody who waits finds tokens; `None` if nobody waits.
    pub(super) fn wake_at(&self) -> Option<Instant> {
        if !self.waiting {
            return None;
        }
        let missing = (self.quantum() - self.tokens).max(0);
        let micros = missing / i128::from(self.rate.max(1)) + 1;
        Some(self.filled + Duration::from_micros(u64::try_from(micros).unwrap_or(u64::MAX).min(60_000_000)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn over_time_exactly_the_rate_is_spent() {
        let start = Instant::now();
        let (mut now, mut spent) = (start, 0_u64);
        let mut bucket = Bucket::bandwidth(1_000_000, now);
        while now < start + Duration::from_secs(10) {
            let count = bucket.available(now).min(65_000);
            bucket.spend(count);
            spent += count as u64;
            now = if count == 0 { bucket.wake_at().unwrap() } else { now };
        }
        assert!((9_900_000..=10_200_000).contains(&spent), "{spent}");
    }

    #[test]
    fn without_a_bound_nobody_waits() {
        let mut bucket = Bucket::bandwidth(0, Instant::now());
        bucket.spend(usize::MAX);
        assert_eq!(bucket.available(Instant::now()), usize::MAX);
        assert_eq!(bucket.wake_at(), None);
    }

    #[test]
    fn one_who_waits_is_told_when() {
        let now = Instant::now();
        let mut bucket = Bucket::events(10, now);
        bucket.spend(10);
        assert_eq!(bucket.available(now), 0);
        let then = bucket.wake_at().unwrap();
        assert!(then > now && then <= now + Duration::from_secs(1));
        assert!(bucket.available(then) > 0);
    }
}
