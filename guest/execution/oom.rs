//! How many processes of the container the OOM killer has ended.
//!
//! Opened by the Container service; read at an execution's start and at its end.

use std::{
    fs::File,
    os::unix::fs::FileExt as _,
    path::Path,
    sync::atomic::{AtomicU64, Ordering},
};

/// The container's memory.events (Linux `Documentation/admin-guide/cgroup-v2.rst`).
#[derive(Debug)]
pub struct OomEvents {
    file: File,
    /// Kills that were reported.
    reported: AtomicU64,
}

impl OomEvents {
    /// Opens the file. `None` if there is none, in which case no kill is ever counted.
    pub fn open(path: &Path) -> Option<Self> {
        File::open(path).ok().map(|file| Self { file, reported: AtomicU64::new(0) })
    }

    /// Processes that the OOM killer has ended so far.
    pub(super) fn kills(&self) -> u64 {
        let mut text = [0; 512];
        let length = self.file.read_at(&mut text, 0).unwrap_or(0);
        let text = String::from_utf8_lossy(text.get(..length).unwrap_or_default());
        parse(&text)
    }

    /// Whether there were kills since the last claim.
    pub(super) fn claim(&self) -> bool {
        let kills = self.kills();
        self.reported.fetch_max(kills, Ordering::Relaxed) < kills
    }
}

fn parse(events: &str) -> u64 {
    events
        .lines()
        .find_map(|line| line.strip_prefix("oom_kill "))
        .and_then(|count| count.parse().ok())
        .unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::parse;

    #[test]
    fn finds_the_kills_among_the_events() {
        assert_eq!(parse("low 0\nhigh 0\nmax 7\noom 3\noom_kill 2\noom_group_kill 9\n"), 2);
        assert_eq!(parse(""), 0);
    }
}
