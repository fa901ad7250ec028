//! Sends the host's time to the guest: on request, and unasked after this host's clock was set or the host slept. Both engines
//! connect the guest to the socket that is served here. Started by `terminator`, as a thread that runs as long as the
//! machine. The guest's side is `guest/clock.rs`; the protocol is in `wire/port.rs`.

use std::{
    io::{self, Read as _, Write as _},
    os::{
        fd::AsFd as _,
        unix::net::{UnixListener, UnixStream},
    },
    path::Path,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use boxlite_spec::ShimExit;
use boxlite_wire::port::CLOCK_REQUEST;
use nix::{
    poll::{PollFd, PollFlags, PollTimeout, poll},
    sys::{
        time::TimeSpec,
        timerfd::{ClockId as TimerClock, Expiration, TimerFd, TimerFlags, TimerSetTimeFlags},
    },
};

use super::jump::{CHECK_INTERVAL, JumpDetector, now};
use crate::{
    background,
    error::{Context as _, Result},
    socket,
};

/// Most connections at one time; a further one replaces the oldest.
const CONNECTIONS: usize = 4;

/// When the timer would expire, in seconds from now: a hundred years. Only its cancellation matters.
const FAR: i64 = 100 * 365 * 24 * 60 * 60;

/// Listens at `path` and starts the thread.
pub(crate) fn serve(path: &Path) -> Result<()> {
    let listener = socket::listen(path)?;
    let timer = TimerFd::new(TimerClock::CLOCK_REALTIME, TimerFlags::TFD_NONBLOCK | TimerFlags::TFD_CLOEXEC)
        .context(ShimExit::Resource, "make a timer", "for the guest's clock")?;
    background::spawn("clock", move || ClockServer { listener, timer, guests: Vec::new() }.run())
}

struct ClockServer {
    listener: UnixListener,
    /// The kernel cancels it when the clock is set and when the machine wakes (`timerfd_create(2)`).
    timer: TimerFd,
    guests: Vec<UnixStream>,
}

impl ClockServer {
    fn run(mut self) {
        let mut jumps = JumpDetector::new(now());
        loop {
            self.arm();
            let mut watched = vec![
                PollFd::new(self.timer.as_fd(), PollFlags::POLLIN),
                PollFd::new(self.listener.as_fd(), PollFlags::POLLIN),
            ];
            watched.extend(self.guests.iter().map(|guest| PollFd::new(guest.as_fd(), PollFlags::POLLIN)));
            // Without a connection the clocks need not be checked.
            let wait = if self.guests.is_empty() { PollTimeout::NONE } else { millis(CHECK_INTERVAL) };
            let _ = poll(&mut watched, wait);
            drop(watched);
            let cancelled = self.timer.wait() == Err(nix::errno::Errno::ECANCELED);
            // Checked even after a cancellation, so that one jump is sent once.
            let jumped = jumps.check(now());
            if cancelled || jumped {
                self.guests.retain_mut(send_time);
            }
            self.accept();
            self.guests.retain_mut(answer);
        }
    }

    fn arm(&self) {
        let now = i64::try_from(now().1 / 1_000_000_000).unwrap_or(0);
        let far = Expiration::OneShot(TimeSpec::new(now + FAR, 0));
        let flags = TimerSetTimeFlags::TFD_TIMER_ABSTIME | TimerSetTimeFlags::TFD_TIMER_CANCEL_ON_SET;
        // If this fails, the regular checks still find a jump.
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

/// Reads requests and answers them. Returns `false` if the guest has disconnected or does not read its answers.
fn answer(guest: &mut UnixStream) -> bool {
    let mut received = [0; 256];
    match guest.read(&mut received) {
        Ok(0) => false,
        Ok(count) => !received[..count].contains(&CLOCK_REQUEST) || send_time(guest),
        Err(error) => matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::Interrupted),
    }
}

/// Sends the time. Returns `false` if the guest does not read.
fn send_time(guest: &mut UnixStream) -> bool {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    let now = u64::try_from(now.as_nanos()).unwrap_or(u64::MAX);
    // A socket accepts eight bytes either whole or not at all.
    guest.write(&now.to_le_bytes()).is_ok_and(|count| count == 8)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_request_is_answered_whatever_other_connections_do() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("clock.sock");
        serve(&path).unwrap();
        let connect = || UnixStream::connect(&path).unwrap();
        // These send nothing; `flood` never stops.
        let silent: Vec<_> = (0..2 * CONNECTIONS).map(|_| connect()).collect();
        let mut flood = connect();
        flood.set_nonblocking(true).unwrap();
        while flood.write(&[CLOCK_REQUEST; 4096]).is_ok() {}
        let mut guest = connect();
        guest.write_all(b"boxlite-clock/1\n?").unwrap();
        let mut answer = [0; 8];
        guest.read_exact(&mut answer).unwrap();
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
        let late = now.saturating_sub(Duration::from_nanos(u64::from_le_bytes(answer)));
        assert!(late < Duration::from_mins(1), "{late:?}");
        drop(silent);
    }
}
