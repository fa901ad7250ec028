//! Ends a machine from any thread: kills the engine's process if it has one, completes console and journal and removes
//! the box's sockets. Opened by both engines' `create`; called after the machine has ended by itself, and by the shim's lifeline.

use std::{
    fs,
    os::fd::{AsFd, OwnedFd},
    path::PathBuf,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use boxlite_spec::{InstanceSpec, TransportSpec};
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use rustix::process::{Signal, pidfd_send_signal};

use crate::{clock, console::Console, error::Result, journal::Journal, socket};

/// How long to wait for a killed engine's exit.
const GRACE: Duration = Duration::from_secs(1);

/// A handle that ends one machine. Clones end the same machine.
#[derive(Clone)]
pub struct Terminator(Arc<Inner>);

struct Inner {
    sockets: Vec<PathBuf>,
    console: Console,
    journal: Option<Journal>,
    child: Mutex<Option<OwnedFd>>,
}

impl Terminator {
    /// Opens console, journal and clock of the machine of `spec`. Also returns the console's end for the engine.
    pub(crate) fn open(spec: &InstanceSpec) -> Result<(Self, OwnedFd)> {
        let (console, console_input) = Console::open(&spec.console)?;
        let journal = spec.journal.as_ref().map(Journal::open).transpose()?;
        spec.transport.clock.as_deref().map(clock::serve).transpose()?;
        // The runtime listens at the ready socket; it may have been killed before the guest connected.
        let TransportSpec { portal, ready, clock, dial } = &spec.transport;
        let journal_socket = spec.journal.as_ref().map(|journal| &journal.socket);
        let carrier = dial.as_deref().map(socket::carrier);
        let sockets = [portal, ready]
            .into_iter()
            .chain(clock)
            .chain(dial)
            .chain(journal_socket)
            .chain(&spec.control)
            .cloned();
        let sockets = sockets.chain(carrier).collect();
        Ok((Self(Arc::new(Inner { sockets, console, journal, child: Mutex::new(None) })), console_input))
    }

    /// Sets the engine's process. A pidfd never refers to another process, even if the pid is used again.
    pub(crate) fn set_child(&self, child: Option<OwnedFd>) {
        *self.0.child.lock().unwrap_or_else(PoisonError::into_inner) = child;
    }

    /// Ends the machine, and does nothing if it has ended. Returns within about a second even if the engine is stuck.
    pub fn terminate(&self) {
        let child = self.0.child.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(pidfd) = &*child {
            let _ = pidfd_send_signal(pidfd, Signal::KILL);
            await_exit(pidfd);
        }
        drop(child);
        for socket in &self.0.sockets {
            let _ = fs::remove_file(socket);
        }
        self.0.console.drain();
        if let Some(journal) = &self.0.journal {
            journal.drain();
        }
    }

    /// Whether the guest announced its power-off. Call this after [`terminate`](Self::terminate).
    pub(crate) fn announced_power_off(&self) -> bool {
        self.0.console.announced_power_off()
    }
}

/// Waits until the process has closed its files: a pidfd is readable once the last thread has ended (`pidfd_open(2)`), and a thread
/// closes its files before it ends.
fn await_exit(pidfd: &OwnedFd) {
    let grace = PollTimeout::try_from(GRACE).unwrap_or(PollTimeout::MAX);
    let _ = poll(&mut [PollFd::new(pidfd.as_fd(), PollFlags::POLLIN)], grace);
}

#[cfg(test)]
mod tests {
    use std::process::Command;

    use rustix::process::{Pid, PidfdFlags, pidfd_open};

    use super::*;

    #[test]
    fn an_exit_is_noticed_before_the_process_is_reaped() {
        let mut child = Command::new("sh").args(["-c", "kill -STOP $$"]).spawn().unwrap();
        let pid = Pid::from_raw(child.id().cast_signed()).unwrap();
        let pidfd = pidfd_open(pid, PidfdFlags::empty()).unwrap();
        pidfd_send_signal(&pidfd, Signal::KILL).unwrap();
        await_exit(&pidfd);
        let stat = fs::read_to_string(format!("/proc/{}/stat", child.id())).unwrap();
        assert!(stat.rsplit_once(") ").unwrap().1.starts_with('Z'), "{stat}");
        child.wait().unwrap();
    }
}
