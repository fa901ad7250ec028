//! Measures how fast this host's time stamp counter ticks, which is how fast the guest's ticks under emulation
//! (`cpu_get_host_ticks` of QEMU). A guest that calibrates by itself on a busy host gets a wrong result and loses its high-resolution
//! timers. Called by `engine`.

#![allow(unsafe_code, reason = "RDTSC is an intrinsic")]

use std::{
    arch::x86_64::_rdtsc,
    thread,
    time::{Duration, Instant},
};

/// The time between two readings. Three readings take 20 ms and repeat to 1 in 10^6.
const PAUSE: Duration = Duration::from_millis(10);

/// By how much two rates may differ, in parts of a thousand. If they differ more, the counter does not tick evenly.
const TOLERANCE: u64 = 1;

/// Returns thousands of ticks a second, or `None` if the counter does not tick evenly.
pub(super) fn khz() -> Option<u64> {
    let readings = [read(), pause_and_read(), pause_and_read()];
    let halves = (rate(readings[0], readings[1])?, rate(readings[1], readings[2])?);
    let even = halves.0.abs_diff(halves.1) <= halves.0 / 1000 * TOLERANCE;
    if even { rate(readings[0], readings[2]) } else { None }
}

fn pause_and_read() -> (Instant, u64) {
    thread::sleep(PAUSE);
    read()
}

/// Reads time and counter at one moment. Of a few attempts, the shortest one counts.
fn read() -> (Instant, u64) {
    let attempt = |_| {
        let before = Instant::now();
        // SAFETY: this reads a register that every x86-64 processor has and that Linux lets user space read.
        let ticks = unsafe { _rdtsc() };
        (before.elapsed(), before, ticks)
    };
    let best = (1..8).map(attempt).fold(attempt(0), |best, next| if next.0 < best.0 { next } else { best });
    (best.1 + best.0 / 2, best.2)
}

fn rate(from: (Instant, u64), to: (Instant, u64)) -> Option<u64> {
    let nanoseconds = to.0.checked_duration_since(from.0)?.as_nanos();
    let ticks = u128::from(to.1.checked_sub(from.1)?);
    let khz = (ticks * 1_000_000).checked_div(nanoseconds)?;
    u64::try_from(khz).ok().filter(|&khz| khz > 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rate_needs_a_clock_that_runs() {
        let now = Instant::now();
        let later = now + Duration::from_millis(10);
        assert_eq!(rate((now, 100), (later, 21_000_100)), Some(2_100_000));
        assert_eq!(rate((now, 100), (later, 100)), None);
        assert_eq!(rate((now, 100), (later, 0)), None);
        assert_eq!(rate((now, 100), (now, 200)), None);
    }
}
