//! Detects jumps of the host's time. Called by `server`.

use std::time::Duration;

use nix::time::{ClockId, clock_gettime};

/// How often the clocks are compared while the kernel reports no change.
pub(super) const CHECK_INTERVAL: Duration = Duration::from_secs(10);

/// How far the host's clocks may drift apart between two checks, in nanoseconds; more means that one of them was set.
const DRIFT_MAX: i128 = 50_000_000;

/// How late a check may come; a later one means that this process was stopped.
const DELAY_MAX: Duration = Duration::from_secs(2);

/// Reads the monotonic clock, which stops while the host sleeps, and the wall clock, in nanoseconds.
pub(super) fn now() -> (i128, i128) {
    let read = |id| {
        clock_gettime(id)
            .map_or(0, |time| i128::from(time.tv_sec()) * 1_000_000_000 + i128::from(time.tv_nsec()))
    };
    (read(ClockId::CLOCK_MONOTONIC), read(ClockId::CLOCK_REALTIME))
}

/// Detects that time has passed unnoticed: the clocks have moved apart, or this process was stopped and a check came late.
pub(super) struct JumpDetector {
    last: (i128, i128),
}

impl JumpDetector {
    pub(super) fn new(now: (i128, i128)) -> Self {
        Self { last: now }
    }

    /// Compares `now` with the last check; `true` if there was a jump in between.
    pub(super) fn check(&mut self, now: (i128, i128)) -> bool {
        let (monotonic, real) = (now.0 - self.last.0, now.1 - self.last.1);
        self.last = now;
        let late = i128::try_from((CHECK_INTERVAL + DELAY_MAX).as_nanos()).unwrap_or(i128::MAX);
        (real - monotonic).abs() > DRIFT_MAX || monotonic > late
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: i128 = 1_000_000_000;

    #[test]
    fn a_jump_of_the_clock_and_a_pause_of_the_process_are_detected_once() {
        let mut jumps = JumpDetector::new((0, 0));
        let mut at = (0, 0);
        for (monotonic, real, jumped) in [
            (10 * SECOND, 10 * SECOND, false),
            // A little drift, as a clock that is being corrected has.
            (10 * SECOND, 10 * SECOND + 5_000_000, false),
            // Slept for an hour.
            (SECOND, 3601 * SECOND, true),
            (10 * SECOND, 10 * SECOND, false),
            // Set back by a day.
            (SECOND, -86_399 * SECOND, true),
            // Stopped for a minute.
            (60 * SECOND, 60 * SECOND, true),
            (SECOND, SECOND, false),
        ] {
            at = (at.0 + monotonic, at.1 + real);
            assert_eq!(jumps.check(at), jumped, "{monotonic} {real}");
        }
    }
}
