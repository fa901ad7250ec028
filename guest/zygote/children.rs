//! The executions that run: their first processes, their groups, and how each comes to its end.
//!
//! Owned by `serve`; calls `process` and `container`'s execution groups.

use std::time::{Duration, Instant};

use nix::{
    errno::Errno,
    libc::{SIGKILL, SIGTERM},
    unistd::Pid,
};

use super::{
    message::{Exited, Signal},
    process::{self, Death},
};
use crate::container::{ExecutionGroup, ExecutionGroups};

/// How long an end is held back for processes that SIGKILL does not end at once (stuck in the kernel).
const PATIENCE: Duration = Duration::from_secs(5);

/// Executions that run. Tens at most, so lists.
#[derive(Debug)]
pub(super) struct Children {
    running: Vec<Child>,
    /// Their first process is gone, the rest was sent SIGKILL and is about to go.
    ending: Vec<Ending>,
    /// `None` in tests on the host, which has no groups for us: then process groups have to do.
    groups: Option<ExecutionGroups>,
}

#[derive(Debug)]
struct Child {
    pid: Pid,
    serial: u64,
    group: Option<ExecutionGroup>,
    /// Whether nothing of it may outlive `pid`.
    doomed: bool,
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

    /// A group for an execution that is about to start. One that can't be had is done without.
    pub(super) fn group(&mut self) -> Option<ExecutionGroup> {
        self.groups.as_mut()?.take().ok()
    }

    /// Takes back the group of one that did not.
    pub(super) fn give_back(&mut self, group: Option<ExecutionGroup>) {
        if let (Some(groups), Some(group)) = (self.groups.as_mut(), group) {
            groups.give_back(group);
        }
    }

    /// Notes a birth; nothing that is `doomed` outlives its first process.
    pub(super) fn add(&mut self, pid: Pid, serial: u64, group: Option<ExecutionGroup>, doomed: bool) {
        self.running.push(Child { pid, serial, group, doomed });
    }

    /// The first processes.
    pub(super) fn pids(&self) -> impl Iterator<Item = Pid> + '_ {
        self.running.iter().map(|child| child.pid)
    }

    /// Whether the end of an execution is being waited for.
    pub(super) fn is_ending(&self) -> bool {
        !self.ending.is_empty()
    }

    /// Signals an execution as `order` says; `ESRCH`: it has ended.
    pub(super) fn signal(&mut self, order: Signal) -> nix::Result<()> {
        let child = self.running.iter_mut().find(|child| child.serial == order.serial).ok_or(Errno::ESRCH)?;
        child.doomed |= order.all;
        match &child.group {
            Some(group) if order.all && order.signal == SIGKILL => group.kill(),
            _ => process::signal_group(child.pid, order.signal),
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

    /// Notes a death. Answers the end of an execution, unless others of its processes have to go first.
    pub(super) fn died(&mut self, Death { pid, code, signal }: Death) -> Option<Exited> {
        let index = self.running.iter().position(|child| child.pid == pid)?;
        let Child { serial, group, doomed, .. } = self.running.swap_remove(index);
        let exited = Exited { serial, code, signal };
        match group {
            Some(group) if doomed && !group.is_empty() => {
                // Cannot fail for a group that exists.
                let _ = group.kill();
                self.ending.push(Ending { exited, group, since: Instant::now() });
                return None;
            }
            None if doomed => {
                let _ = process::signal_group(pid, SIGKILL);
            }
            group => self.give_back(group),
        }
        Some(exited)
    }

    /// After deaths: the executions whose last process is gone now.
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
