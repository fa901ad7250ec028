//! Ends a machine from any thread: kills the engine's process if it has one, completes console and journal and removes
//! the box's sockets. Called when the machine ended by itself, by the shim's lifeline and on its signals.

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

use crate::{console::Console, journal::Journal};

/// How long a killed engine may take to be gone before the shim leaves it to the kernel.
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
    /// For the machine of `spec`, with its console and its journal.
    pub(crate) fn new(spec: &InstanceSpec, console: Console, journal: Option<Journal>) -> Self {
        // The ready socket is the runtime's, which may have been killed before it heard the guest.
        let TransportSpec { portal, ready, clock } = &spec.transport;
        let journal_socket = spec.journal.as_ref().map(|journal| &journal.socket);
        let sockets = [portal, ready].into_iter().chain(clock).chain(journal_socket).cloned().collect();
        Self(Arc::new(Inner { sockets, console, journal, child: Mutex::new(None) }))
    }

    /// Sets the engine's process, by its pidfd: it never means another one, whatever becomes of its pid.
    pub(crate) fn set_child(&self, child: Option<OwnedFd>) {
        *self.0.child.lock().unwrap_or_else(PoisonError::into_inner) = child;
    }

    /// Ends the machine; harmless when it has ended. Returns within about a second even when the engine is stuck.
    pub fn terminate(&self) {
        let child = self.0.child.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(pidfd) = &*child {
            let _ = pidfd_send_signal(pidfd, Signal::KILL);
            await_death(pidfd);
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

    /// Whether the guest had ended in order. Ask once the machine is terminated.
    pub(crate) fn announced_power_off(&self) -> bool {
        self.0.console.announced_power_off()
    }
}

/// Waits until the process has let go of its files: a pidfd is readable once the last thread has ended (`pidfd_open(2)`), and
/// a thread ends after its files.
fn await_death(pidfd: &OwnedFd) {
    let grace = PollTimeout::try_from(GRACE).unwrap_or(PollTimeout::MAX);
    let _ = poll(&mut [PollFd::new(pidfd.as_fd(), PollFlags::POLLIN)], grace);
}

#[cfg(test)]
mod tests {
    use std::process::Command;

    use rustix::process::{Pid, PidfdFlags, pidfd_open};

    use super::*;

    #[test]
    fn a_killed_process_is_gone_although_nobody_has_reaped_it() {
        let mut child = Command::new("sh").args(["-c", "kill -STOP $$"]).spawn().unwrap();
        let pid = Pid::from_raw(child.id().cast_signed()).unwrap();
        let pidfd = pidfd_open(pid, PidfdFlags::empty()).unwrap();
        pidfd_send_signal(&pidfd, Signal::KILL).unwrap();
        await_death(&pidfd);
        let stat = fs::read_to_string(format!("/proc/{}/stat", child.id())).unwrap();
        assert!(stat.rsplit_once(") ").unwrap().1.starts_with('Z'), "{stat}");
        child.wait().unwrap();
    }
}
