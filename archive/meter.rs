//! `Meter`: how far a copy has come, read by others while it runs.

use std::sync::atomic::{AtomicU64, Ordering};

/// Counters that a copy raises and any thread may read.
#[derive(Debug, Default)]
pub struct Meter {
    entries: AtomicU64,
    bytes: AtomicU64,
    skipped: AtomicU64,
}

/// A moment of a copy.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Progress {
    /// Files, folders and links that are done or under way.
    pub entries: u64,
    /// Bytes of file contents, holes included.
    pub bytes: u64,
    /// Devices, sockets and FIFOs, which are left out.
    pub skipped: u64,
}

impl Meter {
    /// Returns the counters as they are now.
    pub fn progress(&self) -> Progress {
        let read = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        Progress { entries: read(&self.entries), bytes: read(&self.bytes), skipped: read(&self.skipped) }
    }

    pub(crate) fn entry(&self) {
        self.entries.fetch_add(1, Ordering::Relaxed);
    }

    pub(crate) fn moved(&self, bytes: u64) {
        self.bytes.fetch_add(bytes, Ordering::Relaxed);
    }

    /// Counts what was left out, here or at the other end of the stream.
    pub fn skip(&self, count: u64) {
        self.skipped.fetch_add(count, Ordering::Relaxed);
    }
}
