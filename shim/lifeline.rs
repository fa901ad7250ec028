//! Ends the box when its host process has exited, on a signal, or at its deadline. The host process holds the other end of the shim's
//! standard input, and the kernel closes that when the host exits for any reason. Started by `machine`.

use std::{
    fmt::Display,
    fs::File,
    os::fd::{AsFd, BorrowedFd},
    sync::{Arc, OnceLock},
    thread,
    time::Duration,
};

use boxlite_spec::{DEADLINE_FILE, ShimExit, ShimReport};
use boxlite_vmm::Terminator;
use nix::{
    errno::Errno,
    poll::{PollFd, PollFlags, PollTimeout, poll},
    sys::{
        signal::SigSet,
        signalfd::{SfdFlags, SignalFd},
    },
    unistd::{alarm, dup2_stdin, read},
};

use crate::{
    deadline::Deadline,
    process::{self, DEADLINE_CHANGED, RECEIVED},
    report,
};

/// After this many seconds, the kernel ends a shim that could not end regularly, for example because its disk hangs, and QEMU with it.
const ALARM_SECONDS: u32 = 1;

/// The thread that waits for a reason to end the box.
pub(crate) struct Lifeline(Arc<OnceLock<Terminator>>);

impl Lifeline {
    /// Starts the thread. A box that is not `attached` outlives its host, so its standard input is replaced by `/dev/null`. The
    /// machine is ended `deadline_ms` from now if it has not ended by itself; 0 means never.
    pub(crate) fn start(attached: bool, deadline_ms: u64) -> Result<Self, ShimReport> {
        let fail =
            |why: &dyn Display| ShimReport::new(ShimExit::Resource, format!("start the lifeline: {why}"));
        if !attached {
            let nothing = File::open("/dev/null").map_err(|error| fail(&error))?;
            dup2_stdin(nothing).map_err(|errno| fail(&errno))?;
        }
        let signals = SignalFd::with_flags(&RECEIVED.into_iter().collect::<SigSet>(), SfdFlags::SFD_CLOEXEC)
            .map_err(|errno| fail(&errno))?;
        let deadline = Deadline::new(deadline_ms, DEADLINE_FILE.into());
        let machine = Arc::new(OnceLock::new());
        let watched = Arc::clone(&machine);
        let watch = move || {
            let cause = watch(attached, deadline, &signals);
            end(&cause, watched.get());
        };
        let thread = thread::Builder::new().name("lifeline".into()).spawn(watch);
        thread.map_err(|error| fail(&error))?;
        Ok(Self(machine))
    }

    /// Sets the machine that is to be ended.
    pub(crate) fn set_machine(&self, machine: Terminator) {
        let _ = self.0.set(machine);
    }
}

/// Returns when the box has to end, with the reason.
fn watch(attached: bool, mut deadline: Deadline, signals: &SignalFd) -> ShimReport {
    let input = std::io::stdin();
    loop {
        if deadline.is_over() {
            // A process may have written a new deadline and been killed before it sent the signal.
            deadline.refresh();
        }
        let left = deadline.left();
        if deadline.is_over() {
            return ShimReport::new(ShimExit::Overdue, "run machine: it did not end when its time was up");
        }
        let mut watched =
            [PollFd::new(signals.as_fd(), PollFlags::POLLIN), PollFd::new(input.as_fd(), PollFlags::POLLIN)];
        // A detached box ends by signals only.
        let count = if attached { 2 } else { 1 };
        match poll(&mut watched[..count], left.map_or(PollTimeout::NONE, rounded_up)) {
            Ok(_) | Err(Errno::EINTR) => {}
            Err(errno) => return ShimReport::new(ShimExit::Resource, format!("watch the lifeline: {errno}")),
        }
        if watched[0].any() == Some(true)
            && let Ok(Some(signal)) = signals.read_signal()
        {
            if signal.ssi_signo == DEADLINE_CHANGED as u32 {
                deadline.refresh();
                continue;
            }
            let what = format!("run machine: ended by signal {}", signal.ssi_signo);
            return ShimReport::new(ShimExit::Stopped, what);
        }
        if attached && watched[1].any() == Some(true) && at_end(input.as_fd()) {
            return ShimReport::new(ShimExit::HostGone, "run machine: the host process has exited");
        }
    }
}

/// Converts to milliseconds. A longer time than poll(2) accepts is waited for in several steps.
fn rounded_up(left: Duration) -> PollTimeout {
    PollTimeout::try_from(left + Duration::from_millis(1)).unwrap_or(PollTimeout::MAX)
}

/// Whether the stream has reached its end. Data on the stream is ignored.
fn at_end(stream: BorrowedFd<'_>) -> bool {
    let mut ignored = [0; 512];
    match read(stream, &mut ignored) {
        Ok(count) => count == 0,
        Err(errno) => !matches!(errno, Errno::EINTR | Errno::EAGAIN),
    }
}

fn end(cause: &ShimReport, machine: Option<&Terminator>) {
    alarm::set(ALARM_SECONDS);
    if let Some(machine) = machine {
        machine.terminate();
    }
    process::exit(report::write(cause));
}

#[cfg(test)]
mod tests {
    use std::{fs, time::Instant};

    use super::*;

    #[test]
    fn a_machine_that_is_overdue_is_ended() {
        let signals = SignalFd::with_flags(&SigSet::empty(), SfdFlags::SFD_CLOEXEC).unwrap();
        let began = Instant::now();
        let report = watch(false, Deadline::new(30, "/nowhere".into()), &signals);
        assert_eq!(report.exit, ShimExit::Overdue);
        assert!(began.elapsed() >= Duration::from_millis(30));
    }

    #[test]
    fn a_deadline_that_was_extended_meanwhile_counts() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("deadline");
        fs::write(&file, "200\n").unwrap();
        let signals = SignalFd::with_flags(&SigSet::empty(), SfdFlags::SFD_CLOEXEC).unwrap();
        let began = Instant::now();
        watch(false, Deadline::new(30, file), &signals);
        assert!(began.elapsed() >= Duration::from_millis(200));
    }
}
