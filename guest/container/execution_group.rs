//! One control group for each execution, below the container's. With it all processes of the execution can be killed, whatever
//! sessions and process groups they have moved to.
//!
//! Made before the container's root is entered; used by the zygote. No controller is enabled in these groups, so they account
//! nothing, and an empty group is used for the next execution. Most executions make none.

use std::{
    fs::File,
    io::Read as _,
    os::fd::{AsFd, BorrowedFd, OwnedFd},
};

use nix::{
    errno::Errno,
    fcntl::{OFlag, openat},
    sys::{
        signal::{Signal, kill},
        stat::{Mode, mkdirat},
        uio::pread,
    },
    unistd::{Pid, UnlinkatFlags, unlinkat, write},
};

/// Most empty groups that are kept for executions to come.
const IDLE: usize = 32;

/// The groups of a container's executions.
#[derive(Debug)]
pub struct ExecutionGroups {
    /// The container's own group.
    parent: OwnedFd,
    idle: Vec<ExecutionGroup>,
    /// Groups in which processes outlived their execution.
    left: Vec<ExecutionGroup>,
    made: u64,
}

/// The group of one execution.
#[derive(Debug)]
pub struct ExecutionGroup {
    name: String,
    directory: OwnedFd,
    /// `cgroup.events`, which says whether it has any process.
    events: OwnedFd,
}

impl ExecutionGroups {
    /// Groups below `parent`, the directory of the container's group.
    pub fn new(parent: OwnedFd) -> Self {
        Self { parent, idle: Vec::new(), left: Vec::new(), made: 0 }
    }

    /// Returns an empty group.
    ///
    /// # Errors
    /// Fails if no group can be made.
    pub fn take(&mut self) -> nix::Result<ExecutionGroup> {
        if let Some(idle) = self.idle.pop() {
            return Ok(idle);
        }
        self.made += 1;
        let name = format!("exec-{}", self.made);
        mkdirat(&self.parent, name.as_str(), Mode::from_bits_truncate(0o755))?;
        let flags = OFlag::O_RDONLY | OFlag::O_CLOEXEC;
        let directory = openat(&self.parent, name.as_str(), flags | OFlag::O_DIRECTORY, Mode::empty())?;
        let events = openat(&directory, "cgroup.events", flags, Mode::empty())?;
        Ok(ExecutionGroup { name, directory, events })
    }

    /// Takes back the group of an execution that has ended. It is used again once its last process has ended.
    pub fn give_back(&mut self, group: ExecutionGroup) {
        if group.is_empty() { self.recycle(group) } else { self.left.push(group) }
    }

    /// Recycles the groups in which processes outlived their execution and have exited since. Call it when orphans were reaped.
    pub fn tidy(&mut self) {
        let mut index = 0;
        while let Some(group) = self.left.get(index) {
            if group.is_empty() {
                let group = self.left.swap_remove(index);
                self.recycle(group);
            } else {
                index += 1;
            }
        }
    }

    /// The groups in which processes outlived their execution.
    pub fn left(&self) -> impl Iterator<Item = &ExecutionGroup> {
        self.left.iter()
    }

    fn recycle(&mut self, group: ExecutionGroup) {
        if self.idle.len() < IDLE {
            self.idle.push(group);
        } else {
            // A group that can't be removed stays. It costs a directory.
            let _ = unlinkat(&self.parent, group.name.as_str(), UnlinkatFlags::RemoveDir);
        }
    }
}

impl AsFd for ExecutionGroup {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.directory.as_fd()
    }
}

impl ExecutionGroup {
    /// Whether it has no process. A process that has exited and is not yet reaped does not count (Linux
    /// `Documentation/admin-guide/cgroup-v2.rst`).
    pub fn is_empty(&self) -> bool {
        let mut text = [0; 64];
        let length = pread(&self.events, &mut text, 0).unwrap_or(0);
        text.get(..length).is_some_and(|text| text.starts_with(b"populated 0"))
    }

    /// Sends SIGTERM to every process in it.
    pub fn terminate(&self) {
        let flags = OFlag::O_RDONLY | OFlag::O_CLOEXEC;
        let Ok(file) = openat(&self.directory, "cgroup.procs", flags, Mode::empty()) else { return };
        let mut pids = String::new();
        // The pids are those of this process's namespace.
        let _ = File::from(file).read_to_string(&mut pids);
        // The pid of a process of another namespace would be 0, but there is none.
        for pid in pids.lines().filter_map(|pid| pid.parse().ok()).filter(|pid| *pid > 0) {
            // A process that has exited meanwhile needs no signal.
            let _ = kill(Pid::from_raw(pid), Signal::SIGTERM);
        }
    }

    /// Sends SIGKILL to every process in it.
    ///
    /// # Errors
    /// Fails if `cgroup.kill` can't be written.
    pub fn kill(&self) -> nix::Result<()> {
        let flags = OFlag::O_WRONLY | OFlag::O_CLOEXEC;
        let file = openat(&self.directory, "cgroup.kill", flags, Mode::empty())?;
        loop {
            match write(&file, b"1") {
                Err(Errno::EINTR) => {}
                written => return written.map(drop),
            }
        }
    }
}
