//! Bounds on what an image may cost: layers come from registries, which are untrusted.

use std::sync::atomic::{AtomicU64, Ordering};

use crate::error::Error;

/// Bounds that hold for one image, all layers together.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct Limits {
    /// Bytes that all layers may unpack to; a decompression bomb ends here. Default 32 GiB.
    pub unpacked_bytes: u64,
    /// Tar entries in all layers, and files and directories in the image. Each takes some 150 bytes of memory while the
    /// disk is made. Default one million.
    pub entries: u64,
    /// Bytes of names, link targets, extended attributes and maps of sparse files in all layers, of which the disk's
    /// builder holds most in memory. Default 256 MiB.
    pub metadata_bytes: u64,
    /// Bytes of one entry's name or link target. Default 4096, Linux's `PATH_MAX`.
    pub path_bytes: usize,
    /// Bytes of one entry's PAX, GNU long name or sparse records, which are held in memory. Default 1 MiB.
    pub header_bytes: u64,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            unpacked_bytes: 32 << 30,
            entries: 1_000_000,
            metadata_bytes: 256 << 20,
            path_bytes: 4096,
            header_bytes: 1 << 20,
        }
    }
}

/// What is left of the bounds that all layers of an image share.
#[derive(Debug)]
pub(crate) struct Budget {
    limits: Limits,
    bytes: AtomicU64,
    entries: AtomicU64,
    metadata: AtomicU64,
}

impl Budget {
    pub(crate) fn new(limits: &Limits) -> Self {
        Self {
            limits: *limits,
            bytes: limits.unpacked_bytes.into(),
            entries: limits.entries.into(),
            metadata: limits.metadata_bytes.into(),
        }
    }

    /// Takes `count` unpacked bytes.
    pub(crate) fn take_bytes(&self, count: u64) -> Result<(), Error> {
        let limit = self.limits.unpacked_bytes;
        take(&self.bytes, count, || {
            format!("unpack layer: the image unpacks to more bytes than allowed, {limit}")
        })
    }

    /// Takes one tar entry, with `metadata` bytes to hold of it.
    pub(crate) fn take_entry(&self, metadata: u64) -> Result<(), Error> {
        let Limits { entries, metadata_bytes, .. } = self.limits;
        take(&self.entries, 1, || format!("read layer: the image has more entries than allowed, {entries}"))?;
        take(&self.metadata, metadata, || {
            format!(
                "read layer: the image has more bytes of names and attributes than allowed, {metadata_bytes}"
            )
        })
    }
}

fn take(left: &AtomicU64, count: u64, message: impl Fn() -> String) -> Result<(), Error> {
    left.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |left| left.checked_sub(count))
        .map(drop)
        .map_err(|_| Error::too_large(message()))
}
