//! Bounds on what an image may ask for: layers come from registries, which are not to be trusted.

use std::sync::atomic::{AtomicU64, Ordering};

use crate::Error;

/// Bounds that hold for one image, all layers together.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct Limits {
    /// Bytes that all layers may unpack to; a decompression bomb ends here. Default 32 GiB.
    pub unpacked_bytes: u64,
    /// Tar entries in all layers. Default one million.
    pub entries: u64,
    /// Bytes of one entry's name or link target. Default 4096, Linux's `PATH_MAX`.
    pub path_bytes: usize,
    /// Bytes of one entry's PAX, GNU long name or sparse records, which are held in memory. Default 1 MiB.
    pub header_bytes: u64,
}

impl Default for Limits {
    fn default() -> Self {
        Self { unpacked_bytes: 32 << 30, entries: 1_000_000, path_bytes: 4096, header_bytes: 1 << 20 }
    }
}

/// What is left of the bounds that all layers of an image share.
#[derive(Debug)]
pub(crate) struct Budget {
    bytes: AtomicU64,
    entries: AtomicU64,
}

impl Budget {
    pub(crate) fn new(limits: &Limits) -> Self {
        Self { bytes: limits.unpacked_bytes.into(), entries: limits.entries.into() }
    }

    /// Takes `count` unpacked bytes.
    pub(crate) fn take_bytes(&self, count: u64) -> Result<(), Error> {
        take(&self.bytes, count)
            .ok_or_else(|| Error::too_large("unpack layer: the image unpacks to more bytes than allowed"))
    }

    /// Takes one tar entry.
    pub(crate) fn take_entry(&self) -> Result<(), Error> {
        take(&self.entries, 1)
            .ok_or_else(|| Error::too_large("read layer: the image has more entries than allowed"))
    }
}

fn take(left: &AtomicU64, count: u64) -> Option<()> {
    left.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |left| left.checked_sub(count)).ok().map(drop)
}
