//! When a machine must have ended by itself. Created and checked by `lifeline`.

use std::{
    fs,
    path::PathBuf,
    time::{Duration, Instant},
};

/// When the machine must have ended by itself.
pub(crate) struct Deadline {
    began: Instant,
    /// `None` means never.
    at: Option<Instant>,
    /// The file into which the runtime writes a new deadline.
    file: PathBuf,
}

impl Deadline {
    pub(crate) fn new(deadline_ms: u64, file: PathBuf) -> Self {
        let mut this = Self { began: Instant::now(), at: None, file };
        this.set(deadline_ms);
        this
    }

    fn set(&mut self, deadline_ms: u64) {
        let at = self.began.checked_add(Duration::from_millis(deadline_ms));
        self.at = at.filter(|_| deadline_ms > 0);
    }

    /// Reads the deadline that the runtime may have written since the start.
    pub(crate) fn refresh(&mut self) {
        let written = fs::read_to_string(&self.file).ok().and_then(|text| text.trim().parse().ok());
        if let Some(deadline_ms) = written {
            self.set(deadline_ms);
        }
    }

    pub(crate) fn left(&self) -> Option<Duration> {
        self.at.map(|at| at.saturating_duration_since(Instant::now()))
    }

    pub(crate) fn is_over(&self) -> bool {
        self.left().is_some_and(|left| left.is_zero())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_malformed_file_changes_nothing_and_zero_means_never() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("deadline");
        for (text, left) in [("soon", true), ("0", false)] {
            fs::write(&file, text).unwrap();
            let mut deadline = Deadline::new(60_000, file.clone());
            deadline.refresh();
            assert_eq!(deadline.left().is_some(), left, "{text}");
        }
    }
}
