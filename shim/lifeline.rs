//! Ends the box when its host is gone, a signal says so, or its time has long been up. The host holds the other end of the shim's standard input;
//! the kernel closes it when the host dies, however it dies. Started by `machine`.

use std::{
    fs::{self, File},
    os::fd::{AsFd, BorrowedFd},
    path::PathBuf,
    sync::{Arc, OnceLock},
    thread,
    time::{Duration, Instant},
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
    process::{self, AMENDED, HEARD},
    report,
};

/// After this time the kernel ends a shim that could not end in order, say for a dead disk; QEMU goes with it.
const DEADLINE_SECONDS: u32 = 1;

/// The thread that watches.
pub(crate) struct Lifeline(Arc<OnceLock<Terminator>>);

impl Lifeline {
    /// Starts to watch. A box that is not `attached` outlives its host and ends by signals only: of its host's streams it
    /// keeps none. `deadline_ms` from now the machine is ended if it has not by itself; 0 is never.
    pub(crate) fn start(attached: bool, deadline_ms: u64) -> Result<Self, ShimReport> {
        let fail = |what: String| report::new(ShimExit::Resource, format!("start the lifeline: {what}"));
        if !attached {
            let nothing = File::open("/dev/null").map_err(|error| fail(error.to_string()))?;
            dup2_stdin(nothing).map_err(|errno| fail(errno.to_string()))?;
        }
        let signals = SignalFd::with_flags(&HEARD.into_iter().collect::<SigSet>(), SfdFlags::SFD_CLOEXEC)
            .map_err(|errno| fail(errno.to_string()))?;
        let deadline = Deadline::new(deadline_ms, DEADLINE_FILE.into());
        let machine = Arc::new(OnceLock::new());
        let watched = Arc::clone(&machine);
        let watch = move || {
            let cause = watch(attached, deadline, &signals);
            end(&cause, watched.get());
        };
        let thread = thread::Builder::new().name("lifeline".into()).spawn(watch);
        thread.map_err(|error| fail(error.to_string()))?;
        Ok(Self(machine))
    }

    /// From now on, there is a machine to end.
    pub(crate) fn hold(&self, machine: Terminator) {
        let _ = self.0.set(machine);
    }
}

/// When the machine must have ended by itself.
struct Deadline {
    began: Instant,
    /// After its beginning; `None` is never.
    at: Option<Instant>,
    /// Where the runtime writes another.
    file: PathBuf,
}

impl Deadline {
    fn new(deadline_ms: u64, file: PathBuf) -> Self {
        let mut this = Self { began: Instant::now(), at: None, file };
        this.set(deadline_ms);
        this
    }

    fn set(&mut self, deadline_ms: u64) {
        let at = self.began.checked_add(Duration::from_millis(deadline_ms));
        self.at = at.filter(|_| deadline_ms > 0);
    }

    /// Reads what the runtime has written since the start.
    fn refresh(&mut self) {
        let written = fs::read_to_string(&self.file).ok().and_then(|text| text.trim().parse().ok());
        if let Some(deadline_ms) = written {
            self.set(deadline_ms);
        }
    }

    fn left(&self) -> Option<Duration> {
        self.at.map(|at| at.saturating_duration_since(Instant::now()))
    }

    fn is_over(&self) -> bool {
        self.left().is_some_and(|left| left.is_zero())
    }
}

/// Returns when the box has to end, with the reason.
fn watch(attached: bool, mut deadline: Deadline, signals: &SignalFd) -> ShimReport {
    let input = std::io::stdin();
    loop {
        if deadline.is_over() {
            // Changed by a process that was killed before it could say so.
            deadline.refresh();
        }
        let left = deadline.left();
        if deadline.is_over() {
            return report::new(ShimExit::Overdue, "run machine: it did not end when its time was up");
        }
        let mut watched =
            [PollFd::new(signals.as_fd(), PollFlags::POLLIN), PollFd::new(input.as_fd(), PollFlags::POLLIN)];
        // Detached, only signals count.
        let count = if attached { 2 } else { 1 };
        match poll(&mut watched[..count], left.map_or(PollTimeout::NONE, rounded_up)) {
            Ok(_) | Err(Errno::EINTR) => {}
            Err(errno) => return report::new(ShimExit::Resource, format!("watch the lifeline: {errno}")),
        }
        if watched[0].any() == Some(true)
            && let Ok(Some(signal)) = signals.read_signal()
        {
            if signal.ssi_signo == AMENDED as u32 {
                deadline.refresh();
                continue;
            }
            return report::new(
                ShimExit::Stopped,
                format!("run machine: ended by signal {}", signal.ssi_signo),
            );
        }
        if attached && watched[1].any() == Some(true) && at_end(input.as_fd()) {
            return report::new(ShimExit::HostGone, "run machine: the host process is gone");
        }
    }
}

/// In the units of poll(2); what is longer than it can say is waited for in parts.
fn rounded_up(left: Duration) -> PollTimeout {
    PollTimeout::try_from(left + Duration::from_millis(1)).unwrap_or(PollTimeout::MAX)
}

/// Whether the stream has reached its end; what it holds instead means nothing.
fn at_end(stream: BorrowedFd<'_>) -> bool {
    let mut ignored = [0; 512];
    match read(stream, &mut ignored) {
        Ok(count) => count == 0,
        Err(errno) => !matches!(errno, Errno::EINTR | Errno::EAGAIN),
    }
}

fn end(cause: &ShimReport, machine: Option<&Terminator>) {
    alarm::set(DEADLINE_SECONDS);
    if let Some(machine) = machine {
        machine.terminate();
    }
    process::leave(report::write(cause));
}

#[cfg(test)]
mod tests {
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
    fn a_deadline_that_was_put_off_meanwhile_holds() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("deadline");
        fs::write(&file, "200\n").unwrap();
        let signals = SignalFd::with_flags(&SigSet::empty(), SfdFlags::SFD_CLOEXEC).unwrap();
        let began = Instant::now();
        watch(false, Deadline::new(30, file.clone()), &signals);
        assert!(began.elapsed() >= Duration::from_millis(200));
        // What makes no sense changes nothing, and 0 is never.
        for (text, left) in [("soon", true), ("0", false)] {
            fs::write(&file, text).unwrap();
            let mut deadline = Deadline::new(60_000, file.clone());
            deadline.refresh();
            assert_eq!(deadline.left().is_some(), left, "{text}");
        }
    }
}
