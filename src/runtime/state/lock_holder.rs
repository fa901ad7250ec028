//! `Holder`: the process that holds a lock, for the error of those who wait for it in vain. Used by `lock`.

use std::{fs::File, io::Read, path::Path};

/// The process whose pid is in the file of a lock that is held.
pub(super) struct Holder {
    pid: Option<u32>,
}

impl Holder {
    /// By the lock's file at `path`.
    pub(super) fn of(path: &Path) -> Self {
        let mut text = String::new();
        let _ = File::open(path).and_then(|file| file.take(32).read_to_string(&mut text));
        Self { pid: text.trim().parse().ok() }
    }

    /// A description for an error.
    pub(super) fn name(&self) -> String {
        let Some(pid) = self.pid else { return "another process".to_owned() };
        // " (node)", if /proc has it.
        let command = std::fs::read_to_string(format!("/proc/{pid}/comm"))
            .map_or(String::new(), |name| format!(" ({})", name.trim()));
        let stopped = if self.is_stopped() { ", which is stopped," } else { "" };
        format!("process {pid}{command}{stopped}")
    }

    /// Whether it was stopped by a signal or a debugger: proc(5), the state is the first field after the command's name.
    pub(super) fn is_stopped(&self) -> bool {
        let stat = self.pid.and_then(|pid| std::fs::read_to_string(format!("/proc/{pid}/stat")).ok());
        let state = stat.as_deref().and_then(|stat| stat.rsplit_once(") ")).map(|(_, rest)| rest);
        state.is_some_and(|rest| rest.starts_with(['T', 't']))
    }
}
