//! Ends a machine from any thread: kills the engine's process if it has one, completes console and journal and removes
//! the box's sockets. Called when the machine ended by itself, by the shim's lifeline and on its signals.

use std::{
    fs,
    path::PathBuf,
    sync::{Arc, Mutex, PoisonError},
    thread,
    time::{Duration, Instant},
};

use boxlite_spec::{InstanceSpec, TransportSpec};
use nix::{
    errno::Errno,
    sys::signal::{Signal, kill},
    unistd::Pid,
};

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
    child: Mutex<Option<Pid>>,
}

impl Terminator {
    /// For the machine of `spec`, with its console and its journal.
    pub(crate) fn new(spec: &InstanceSpec, console: Console, journal: Option<Journal>) -> Self {
        // The ready socket is the runtime's, which may have been killed before it heard the guest.
        let TransportSpec { portal, ready } = &spec.transport;
        let journal_socket = spec.journal.as_ref().map(|journal| &journal.socket);
        let sockets = [portal, ready].into_iter().chain(journal_socket).cloned().collect();
        Self(Arc::new(Inner { sockets, console, journal, child: Mutex::new(None) }))
    }

    /// Sets the engine's process, or takes it back once it was reaped, so that a recycled pid is never killed.
    pub(crate) fn set_child(&self, child: Option<Pid>) {
        *self.0.child.lock().unwrap_or_else(PoisonError::into_inner) = child;
    }

    /// Ends the machine; harmless when it has ended. Returns within about a second even when the engine is stuck.
    pub fn terminate(&self) {
        let child = self.0.child.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(pid) = *child {
            let _ = kill(pid, Signal::SIGKILL);
            await_death(pid);
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
    pub(crate) fn said_farewell(&self) -> bool {
        self.0.console.said_farewell()
    }
}

/// Waits until `pid` has let go of its files: a zombie has, whoever reaps it, once its last thread has ended too.
fn await_death(pid: Pid) {
    let deadline = Instant::now() + GRACE;
    while Instant::now() < deadline {
        match fs::read_to_string(format!("/proc/{pid}/stat")) {
            Ok(stat) if !is_zombie(&stat) || threads(pid) > 1 => thread::sleep(Duration::from_millis(1)),
            _ => return,
        }
        if kill(pid, None) == Err(Errno::ESRCH) {
            return;
        }
    }
}

fn threads(pid: Pid) -> usize {
    fs::read_dir(format!("/proc/{pid}/task")).map_or(0, Iterator::count)
}

/// The state is the first field after the command's name, which stands in the last closing bracket (proc(5)).
fn is_zombie(stat: &str) -> bool {
    stat.rsplit_once(") ").is_some_and(|(_, rest)| rest.starts_with(['Z', 'X']))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_zombie_is_told_by_its_state_whatever_its_name() {
        assert!(is_zombie("7 (a) R (b)) Z 1 7 7"));
        assert!(!is_zombie("7 (Z) S 1 7 7"));
        assert!(!is_zombie(""));
    }
}
