//! The host's time for the guest, on a socket to which both engines bring its connections: told when asked, and unasked when this
//! host's clock was set or the host slept. A thread of its own that lives as long as the machine. The guest's side is
//! `guest/clock.rs`; the protocol is in `wire/port.rs`.

use std::{
    io::{self, Read as _, Write as _},
    os::{
        fd::AsFd as _,
        unix::{
            fs::PermissionsExt,
            net::{UnixListener, UnixStream},
        },
    },
    path::Path,
    thread,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use boxlite_spec::ShimExit;
use nix::{
    poll::{PollFd, PollFlags, PollTimeout, poll},
    sys::{
        time::TimeSpec,
        timerfd::{ClockId as TimerClock, Expiration, TimerFd, TimerFlags, TimerSetTimeFlags},
    },
    time::{ClockId, clock_gettime},
};

use crate::{Result, error::Context as _, socket};
use boxlite_wire::port::CLOCK_ASK;

/// Connections at one time; the oldest makes way for another.
const CONNECTIONS: usize = 4;
/// Between two looks at the clocks, where the kernel says nothing.
const LOOK: Duration = Duration::from_secs(10);
/// What this host's clocks may drift apart from one look to the next, in nanoseconds, and how late a look may be.
const JUMP: i128 = 50_000_000;
const LATE: Duration = Duration::from_secs(2);
/// As good as never.
const FAR: i64 = 100 * 365 * 24 * 60 * 60;

/// Listens at `path`, and starts the thread.
pub(crate) fn serve(path: &Path) -> Result<()> {
    socket::clear(path)?;
    let listener = listen(&socket::name(path)).context(ShimExit::Resource, "listen on", path.display())?;
    let timer = TimerFd::new(TimerClock::CLOCK_REALTIME, TimerFlags::TFD_NONBLOCK | TimerFlags::TFD_CLOEXEC)
        .context(ShimExit::Resource, "make a timer", "for the guest's clock")?;
    thread::Builder::new()
        .name("clock".into())
        .stack_size(128 << 10)
        .spawn(move || ClockServer { listener, timer, guests: Vec::new() }.run())
        .context(ShimExit::Resource, "start a thread", "for the guest's clock")?;
    Ok(())
}

fn listen(path: &Path) -> io::Result<UnixListener> {
    let listener = UnixListener::bind(path)?;
    std::fs::set_permissions(path, PermissionsExt::from_mode(0o600))?;
    listener.set_nonblocking(true)?;
    Ok(listener)
}

struct ClockServer {
    listener: UnixListener,
    /// Cancelled by the kernel when the clock is set, and when the machine wakes (`timerfd_create(2)`).
    timer: TimerFd,
    guests: Vec<UnixStream>,
}

impl ClockServer {
    fn run(mut self) {
        let mut looks = Looks::new(now());
        loop {
            self.arm();
            let mut watched = vec![
                PollFd::new(self.timer.as_fd(), PollFlags::POLLIN),
                PollFd::new(self.listener.as_fd(), PollFlags::POLLIN),
            ];
            watched.extend(self.guests.iter().map(|guest| PollFd::new(guest.as_fd(), PollFlags::POLLIN)));
            // Without a guest there is nobody to tell.
            let wait = if self.guests.is_empty() { PollTimeout::NONE } else { millis(LOOK) };
            let _ = poll(&mut watched, wait);
            drop(watched);
            let cancelled = self.timer.wait() == Err(nix::errno::Errno::ECANCELED);
            // Asked in any case, so that one jump is told once.
            let jumped = looks.jumped(now());
            if cancelled || jumped {
                self.guests.retain_mut(tell);
            }
            self.accept();
            self.guests.retain_mut(answer);
        }
    }

    fn arm(&self) {
        let now = i64::try_from(now().1 / 1_000_000_000).unwrap_or(0);
        let far = Expiration::OneShot(TimeSpec::new(now + FAR, 0));
        let flags = TimerSetTimeFlags::TFD_TIMER_ABSTIME | TimerSetTimeFlags::TFD_TIMER_CANCEL_ON_SET;
        // Where that can't be, the looks are left.
        let _ = self.timer.set(far, flags);
    }

    fn accept(&mut self) {
        while let Ok((guest, _)) = self.listener.accept() {
            if guest.set_nonblocking(true).is_ok() {
                if self.guests.len() == CONNECTIONS {
                    self.guests.remove(0);
                }
                self.guests.push(guest);
            }
        }
    }
}

fn millis(wait: Duration) -> PollTimeout {
    PollTimeout::try_from(wait).unwrap_or(PollTimeout::MAX)
}

/// Answers what was asked; false: the guest has hung up, or does not take its answers.
fn answer(guest: &mut UnixStream) -> bool {
    let mut asked = [0; 256];
    match guest.read(&mut asked) {
        Ok(0) => false,
        Ok(count) => !asked[..count].contains(&CLOCK_ASK) || tell(guest),
        Err(error) => matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::Interrupted),
    }
}

fn tell(guest: &mut UnixStream) -> bool {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    let now = u64::try_from(now.as_nanos()).unwrap_or(u64::MAX);
    // Eight bytes are taken whole or not at all.
    guest.write(&now.to_le_bytes()).is_ok_and(|count| count == 8)
}

/// The monotonic clock, which stands still while the host sleeps, and the wall clock, in nanoseconds.
fn now() -> (i128, i128) {
    let read = |id| {
        clock_gettime(id)
            .map_or(0, |time| i128::from(time.tv_sec()) * 1_000_000_000 + i128::from(time.tv_nsec()))
    };
    (read(ClockId::CLOCK_MONOTONIC), read(ClockId::CLOCK_REALTIME))
}

/// Finds out that time has passed unnoticed: the clocks have moved apart, or this process was stopped and a look came late.
struct Looks {
    last: (i128, i128),
}

impl Looks {
    fn new(now: (i128, i128)) -> Self {
        Self { last: now }
    }

    fn jumped(&mut self, now: (i128, i128)) -> bool {
        let (monotonic, real) = (now.0 - self.last.0, now.1 - self.last.1);
        self.last = now;
        let late = i128::try_from((LOOK + LATE).as_nanos()).unwrap_or(i128::MAX);
        (real - monotonic).abs() > JUMP || monotonic > late
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: i128 = 1_000_000_000;

    #[test]
    fn a_clock_that_was_set_and_a_host_that_slept_or_stood_are_seen_once() {
        let mut looks = Looks::new((0, 0));
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
            assert_eq!(looks.jumped(at), jumped, "{monotonic} {real}");
        }
    }

    #[test]
    fn whoever_asks_is_told_the_time_and_nobody_keeps_others_from_it() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("clock.sock");
        serve(&path).unwrap();
        let connect = || UnixStream::connect(&path).unwrap();
        // They say nothing, or never stop.
        let silent: Vec<_> = (0..2 * CONNECTIONS).map(|_| connect()).collect();
        let mut flood = connect();
        flood.set_nonblocking(true).unwrap();
        while flood.write(&[CLOCK_ASK; 4096]).is_ok() {}
        let mut guest = connect();
        guest.write_all(b"boxlite-clock/1\n?").unwrap();
        let mut told = [0; 8];
        guest.read_exact(&mut told).unwrap();
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
        let late = now.saturating_sub(Duration::from_nanos(u64::from_le_bytes(told)));
        assert!(late < Duration::from_mins(1), "{late:?}");
        drop(silent);
    }
}
