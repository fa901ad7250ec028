//! Synchronises the guest's clock with the host's. The machine and its clock stop while the host sleeps, and over weeks every clock
//! drifts. The shim notifies the guest when the host's clock has jumped. The guest requests the time, and how long the answer
//! took says how precise it is.
//!
//! Started by `main.rs`. `correction`, which is pure, decides what is done.
#![allow(unsafe_code, reason = "adjtimex(2)")]

use std::{
    io,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use boxlite_wire::port;
use nix::{
    libc,
    sys::time::TimeSpec,
    time::{ClockId, clock_settime},
};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    time::{Instant, sleep, timeout},
};

use crate::supervision::{HostStream, HostStreams};

/// Time before the first request. `Guest.Init` has just set the clock, and a start should not be slowed down.
const DELAY: Duration = Duration::from_secs(5);
/// Time between two requests without a notification.
const INTERVAL: Duration = Duration::from_mins(1);
/// How long an answer may take.
const ANSWER: Duration = Duration::from_secs(10);

/// A difference that is not corrected, in nanoseconds, in addition to the uncertainty of an answer.
const TOLERANCE: i64 = 10_000_000;
/// The difference in nanoseconds from which on the clock is set. Below, it runs faster or slower, so that it never goes back.
const STEP: i64 = 500_000_000;

/// How a clock that is so many nanoseconds behind is corrected.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Correction {
    Set(i64),
    Slew(i64),
}

/// How to correct a clock that shows `own_unix_ns` when the host's time `host_unix_ns` arrives, `took` after it was requested.
fn correction(host_unix_ns: u64, took: Duration, own_unix_ns: u64) -> Option<Correction> {
    let half = i64::try_from(took.as_nanos() / 2).ok()?;
    let [host, own] = [host_unix_ns, own_unix_ns].map(i64::try_from);
    let behind = host.ok()?.checked_add(half)?.checked_sub(own.ok()?)?;
    match behind.checked_abs()? {
        off if off <= half.saturating_add(TOLERANCE) => None,
        off if off < STEP => Some(Correction::Slew(behind)),
        _ => Some(Correction::Set(behind)),
    }
}

/// A clock that can be corrected.
trait Clock {
    fn now_unix_ns(&self) -> u64;
    fn correct(&mut self, correction: Correction) -> io::Result<()>;
}

/// This machine's clock.
struct Realtime;

impl Clock for Realtime {
    fn now_unix_ns(&self) -> u64 {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        u64::try_from(now.as_nanos()).unwrap_or(u64::MAX)
    }

    fn correct(&mut self, correction: Correction) -> io::Result<()> {
        match correction {
            Correction::Set(behind) => {
                let now = i64::try_from(self.now_unix_ns()).unwrap_or(i64::MAX).saturating_add(behind);
                let now = TimeSpec::new(now.div_euclid(1_000_000_000), now.rem_euclid(1_000_000_000));
                Ok(clock_settime(ClockId::CLOCK_REALTIME, now)?)
            }
            Correction::Slew(behind) => slew(behind / 1000),
        }
    }
}

/// Lets the kernel gain `microseconds`, half a millisecond in each second.
fn slew(microseconds: i64) -> io::Result<()> {
    // SAFETY: timex is a struct of integers, for which zero is a valid value.
    let mut timex: libc::timex = unsafe { std::mem::zeroed() };
    timex.modes = libc::ADJ_OFFSET_SINGLESHOT;
    timex.offset = microseconds;
    // SAFETY: the kernel reads and writes this one struct.
    if unsafe { libc::adjtimex(&raw mut timex) } < 0 { Err(io::Error::last_os_error()) } else { Ok(()) }
}

/// Synchronises the clock for as long as the machine runs. Where the host offers no time, it tries again later.
pub async fn synchronise(host_streams: HostStreams) {
    loop {
        sleep(DELAY).await;
        if let Ok(stream) = host_streams.open(port::CLOCK_PORT).await {
            let _ = follow(stream, &mut Realtime).await;
        }
        sleep(INTERVAL).await;
    }
}

/// Requests the time now, at each notification, and at intervals, until the stream breaks.
async fn follow(mut stream: Box<dyn HostStream>, clock: &mut impl Clock) -> io::Result<()> {
    stream.write_all(port::CLOCK).await?;
    loop {
        let requested = Instant::now();
        stream.write_all(&[port::CLOCK_REQUEST]).await?;
        let host = timeout(ANSWER, stream.read_u64_le()).await.map_err(|_| io::ErrorKind::TimedOut)??;
        let took = requested.elapsed();
        if let Some(correction) = correction(host, took, clock.now_unix_ns()) {
            clock.correct(correction)?;
        }
        // A time that was not requested is only a notification.
        if let Ok(notified) = timeout(INTERVAL, stream.read_u64_le()).await {
            notified?;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: u64 = 1_000_000_000;

    #[test]
    fn a_clock_is_set_where_it_is_far_off_and_slewed_where_it_is_near() {
        let quick = Duration::from_millis(2);
        let now = 1_700_000_000 * SECOND;
        assert_eq!(correction(now, quick, now + 9_000_000), None);
        assert_eq!(correction(now, Duration::ZERO, now + 20_000_000), Some(Correction::Slew(-20_000_000)));
        let hour = 3600 * SECOND;
        assert_eq!(correction(now + hour, Duration::ZERO, now), Some(Correction::Set(hour.cast_signed())));
        assert_eq!(correction(now, Duration::ZERO, now + hour), Some(Correction::Set(-hour.cast_signed())));
        // An answer that took long is not precise.
        assert_eq!(correction(now, Duration::from_secs(4), now + SECOND), None);
        for (host, own) in [(u64::MAX, 0), (0, u64::MAX), (0, 0)] {
            assert_eq!(correction(host, quick, own), None);
        }
    }

    /// Runs with tokio's time, after it had stopped for a while.
    struct Stopped {
        base: Instant,
        behind: u64,
    }

    impl Clock for Stopped {
        fn now_unix_ns(&self) -> u64 {
            let ran = u64::try_from(self.base.elapsed().as_nanos()).unwrap();
            1_000_000 * SECOND + ran - self.behind
        }

        fn correct(&mut self, correction: Correction) -> io::Result<()> {
            let (Correction::Set(by) | Correction::Slew(by)) = correction;
            self.behind = self.behind.checked_sub(by.unsigned_abs()).expect("never beyond");
            Ok(())
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_guest_that_had_stopped_is_right_again_when_the_host_notifies_it() {
        let base = Instant::now();
        let (mut host, guest) = tokio::io::duplex(64);
        let held = tokio::spawn(async move {
            let mut clock = Stopped { base, behind: 7200 * SECOND };
            let ended = follow(Box::new(guest), &mut clock).await;
            (ended.unwrap_err().kind(), clock.behind)
        });
        let time = || 1_000_000 * SECOND + u64::try_from(base.elapsed().as_nanos()).unwrap();
        let mut greeting = [0; port::CLOCK.len()];
        host.read_exact(&mut greeting).await.unwrap();
        assert_eq!(greeting, port::CLOCK);
        assert_eq!(host.read_u8().await.unwrap(), port::CLOCK_REQUEST);
        host.write_u64_le(time()).await.unwrap();
        // Sent long before the guest would request the time by itself.
        sleep(Duration::from_secs(1)).await;
        host.write_u64_le(time()).await.unwrap();
        assert_eq!(
            timeout(Duration::from_secs(1), host.read_u8()).await.unwrap().unwrap(),
            port::CLOCK_REQUEST
        );
        drop(host);
        assert_eq!(held.await.unwrap(), (io::ErrorKind::UnexpectedEof, 0));
    }

    #[tokio::test(start_paused = true)]
    async fn a_host_that_does_not_answer_is_given_up() {
        let (host, guest) = tokio::io::duplex(64);
        let mut clock = Stopped { base: Instant::now(), behind: 0 };
        let ended = follow(Box::new(guest), &mut clock).await;
        assert_eq!(ended.unwrap_err().kind(), io::ErrorKind::TimedOut);
        drop(host);
    }
}
