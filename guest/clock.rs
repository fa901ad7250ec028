//! The guest's clock, held to the host's: a machine stands still while its host sleeps, and its clock with it; and over weeks every
//! clock drifts. The shim says when the host's clock has jumped; the guest asks, and learns from how long the answer took how
//! much that can be trusted.
//!
//! Begun by `main.rs`. What times mean what is [`correction`], which is pure.
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

use crate::supervision::{HostLine, HostStream};

/// Before the first question: `Guest.Init` has just set the clock, and a start has better things to do.
const REST: Duration = Duration::from_secs(5);
/// Between two questions where nothing is said.
const INTERVAL: Duration = Duration::from_mins(1);
/// How long an answer may take.
const PATIENCE: Duration = Duration::from_secs(10);

/// What is left as it is, in nanoseconds, beyond what an answer's way makes uncertain.
const TOLERANCE: i64 = 10_000_000;
/// From here on the clock is set; below, it is made to run faster or slower, so that it never goes back.
const STEP: i64 = 500_000_000;

/// What is to be done about a clock that is so many nanoseconds behind.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Correction {
    Set(i64),
    Slew(i64),
}

/// `host_unix_ns` is what the host said within `took`, at the end of which it was `own_unix_ns` here.
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

/// The clock that is held.
trait Clock {
    fn now_unix_ns(&self) -> u64;
    fn correct(&mut self, correction: Correction) -> io::Result<()>;
}

/// This machine's.
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

/// Has the kernel make up for `microseconds`, half a millisecond in each second.
fn slew(microseconds: i64) -> io::Result<()> {
    // SAFETY: a struct of integers, for which zeros are values.
    let mut timex: libc::timex = unsafe { std::mem::zeroed() };
    timex.modes = libc::ADJ_OFFSET_SINGLESHOT;
    timex.offset = microseconds;
    // SAFETY: the kernel reads and writes this one struct.
    if unsafe { libc::adjtimex(&raw mut timex) } < 0 { Err(io::Error::last_os_error()) } else { Ok(()) }
}

/// Holds the clock for the machine's life. A host that has no time to give is asked again later.
pub async fn keep(line: HostLine) {
    loop {
        sleep(REST).await;
        if let Ok(stream) = line.open(port::CLOCK_PORT).await {
            let _ = follow(stream, &mut Realtime).await;
        }
        sleep(INTERVAL).await;
    }
}

/// Asks now, whenever the host says so, and now and then, until the stream breaks.
async fn follow(mut stream: Box<dyn HostStream>, clock: &mut impl Clock) -> io::Result<()> {
    stream.write_all(port::CLOCK).await?;
    loop {
        let asked = Instant::now();
        stream.write_all(&[port::CLOCK_ASK]).await?;
        let host = timeout(PATIENCE, stream.read_u64_le()).await.map_err(|_| io::ErrorKind::TimedOut)??;
        let took = asked.elapsed();
        if let Some(correction) = correction(host, took, clock.now_unix_ns()) {
            clock.correct(correction)?;
        }
        // What comes unasked only says that there is a reason to ask.
        if let Ok(said) = timeout(INTERVAL, stream.read_u64_le()).await {
            said?;
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
        // An answer that took long proves little.
        assert_eq!(correction(now, Duration::from_secs(4), now + SECOND), None);
        for (host, own) in [(u64::MAX, 0), (0, u64::MAX), (0, 0)] {
            assert_eq!(correction(host, quick, own), None);
        }
    }

    /// Runs with tokio's time, and stood still for a while before.
    struct Stood {
        base: Instant,
        behind: u64,
    }

    impl Clock for Stood {
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
    async fn a_guest_that_stood_still_is_right_again_when_the_host_says_so() {
        let base = Instant::now();
        let (mut host, guest) = tokio::io::duplex(64);
        let held = tokio::spawn(async move {
            let mut clock = Stood { base, behind: 7200 * SECOND };
            let ended = follow(Box::new(guest), &mut clock).await;
            (ended.unwrap_err().kind(), clock.behind)
        });
        let time = || 1_000_000 * SECOND + u64::try_from(base.elapsed().as_nanos()).unwrap();
        let mut greeting = [0; port::CLOCK.len()];
        host.read_exact(&mut greeting).await.unwrap();
        assert_eq!(greeting, port::CLOCK);
        assert_eq!(host.read_u8().await.unwrap(), port::CLOCK_ASK);
        host.write_u64_le(time()).await.unwrap();
        // Said long before the guest would ask by itself.
        sleep(Duration::from_secs(1)).await;
        host.write_u64_le(time()).await.unwrap();
        assert_eq!(timeout(Duration::from_secs(1), host.read_u8()).await.unwrap().unwrap(), port::CLOCK_ASK);
        drop(host);
        assert_eq!(held.await.unwrap(), (io::ErrorKind::UnexpectedEof, 0));
    }

    #[tokio::test(start_paused = true)]
    async fn a_host_that_does_not_answer_is_given_up() {
        let (host, guest) = tokio::io::duplex(64);
        let mut clock = Stood { base: Instant::now(), behind: 0 };
        let ended = follow(Box::new(guest), &mut clock).await;
        assert_eq!(ended.unwrap_err().kind(), io::ErrorKind::TimedOut);
        drop(host);
    }
}
