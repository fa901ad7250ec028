//! The executions that run: their first processes, their groups, and how each of them ends.
//!
//! Owned by `init`; calls `process` and `container`'s execution groups.

use std::time::{Duration, Instant};

use nix::{
    errno::Errno,
    libc::{SIGKILL, SIGTERM},
    unistd::Pid,
};

use super::{
    message::{Exited, Signal},
    process::{self, Reaped},
};
use crate::container::{ExecutionGroup, ExecutionGroups};

/// How long an exit is held back for processes that SIGKILL does not end at once because they are stuck in the kernel.
const PATIENCE: Duration = Duration::from_secs(5);

/// The executions that run. There are tens at most, so they are in lists.
#[derive(Debug)]
pub(super) struct Children {
    running: Vec<Child>,
    /// Those whose first process has exited, and whose other processes were sent SIGKILL.
    ending: Vec<Ending>,
    /// `None` in tests on the host, where process groups take their place.
    groups: Option<ExecutionGroups>,
}

#[derive(Debug)]
struct Child {
    pid: Pid,
    serial: u64,
    group: Option<ExecutionGroup>,
    /// Whether none of its processes may outlive `pid`.
    alone: bool,
}

#[derive(Debug)]
struct Ending {
    exited: Exited,
    group: ExecutionGroup,
    since: Instant,
}

impl Children {
    pub(super) fn new(groups: Option<ExecutionGroups>) -> Self {
        Self { running: Vec::new(), ending: Vec::new(), groups }
    }

    /// A group for an execution that is about to start. `None` if none can be made, in which case it runs without.
    pub(super) fn group(&mut self) -> Option<ExecutionGroup> {
        self.groups.as_mut()?.take().ok()
    }

    /// Takes back the group of an execution that did not start.
    pub(super) fn give_back(&mut self, group: Option<ExecutionGroup>) {
        if let (Some(groups), Some(group)) = (self.groups.as_mut(), group) {
            groups.give_back(group);
        }
    }

    /// Notes that an execution has started. If it is `alone`, none of its processes outlives the first.
    pub(super) fn add(&mut self, pid: Pid, serial: u64, group: Option<ExecutionGroup>, alone: bool) {
        self.running.push(Child { pid, serial, group, alone });
    }

    /// The first processes.
    pub(super) fn pids(&self) -> impl Iterator<Item = Pid> + '_ {
        self.running.iter().map(|child| child.pid)
    }

    /// Whether any execution waits for the exit of its other processes.
    pub(super) fn is_ending(&self) -> bool {
        !self.ending.is_empty()
    }

    /// Sends a signal to an execution. The error is `ESRCH` if it has ended.
    pub(super) fn signal(&mut self, Signal { serial, signal, all }: Signal) -> nix::Result<()> {
        let child = self.running.iter_mut().find(|child| child.serial == serial).ok_or(Errno::ESRCH)?;
        child.alone |= all;
        match &child.group {
            Some(group) if all && signal == SIGKILL => group.kill(),
            _ => process::signal_group(child.pid, signal),
        }
    }

    /// The first process of the execution `serial`, if it runs.
    pub(super) fn pid_of(&self, serial: u64) -> Option<Pid> {
        self.running.iter().find(|child| child.serial == serial).map(|child| child.pid)
    }

    /// Sends SIGTERM to every process but those of the execution `serial`.
    pub(super) fn terminate_others(&self, serial: u64) {
        for child in self.running.iter().filter(|child| child.serial != serial) {
            match &child.group {
                Some(group) => group.terminate(),
                None => drop(process::signal_group(child.pid, SIGTERM)),
            }
        }
        for group in self.ending.iter().map(|ending| &ending.group).chain(self.left()) {
            group.terminate();
        }
    }

    /// Groups in which processes outlived their execution.
    fn left(&self) -> impl Iterator<Item = &ExecutionGroup> {
        self.groups.iter().flat_map(ExecutionGroups::left)
    }

    /// Notes that a process was reaped. Returns the exit of an execution, unless other processes of it have to be killed first.
    pub(super) fn note_reaped(&mut self, Reaped { pid, code, signal }: Reaped) -> Option<Exited> {
        let index = self.running.iter().position(|child| child.pid == pid)?;
        let Child { serial, group, alone, .. } = self.running.swap_remove(index);
        let exited = Exited { serial, code, signal };
        match group {
            Some(group) if alone && !group.is_empty() => {
                // This can't fail for a group that exists.
                let _ = group.kill();
                self.ending.push(Ending { exited, group, since: Instant::now() });
                return None;
            }
            None if alone => {
                let _ = process::signal_group(pid, SIGKILL);
            }
            group => self.give_back(group),
        }
        Some(exited)
    }

    /// Returns the executions whose last process has exited since.
    pub(super) fn ended(&mut self) -> Vec<Exited> {
        if let Some(groups) = &mut self.groups {
            groups.tidy();
        }
        let mut ended = Vec::new();
        let mut index = 0;
        while let Some(ending) = self.ending.get(index) {
            if ending.group.is_empty() || ending.since.elapsed() > PATIENCE {
                let Ending { exited, group, .. } = self.ending.swap_remove(index);
                self.give_back(Some(group));
                ended.push(exited);
            } else {
                index += 1;
            }
        }
        ended
    }
}
