//! The blocks of a disk: gives them out and writes their content, which everything that an inode leads to is made of. Called by `disk`,
//! and by `extents` for the blocks of a tree.
//!
//! One cursor goes over the disk and skips the reserved blocks, so the order of taking is the order on the disk, and nothing of a file
//! needs to be remembered.

use std::{fs::File, io::Read};

use boxlite_error::ErrorCode;
use boxlite_unpack::Cancel;

use super::sink::DiskSink;
use crate::{block_groups::BLOCK, error::Error};

/// The blocks that one extent can cover (Linux, `fs/ext4/ext4_extents.h`, `EXT_INIT_MAX_LEN`).
const LONGEST: u64 = 32768;

/// Blocks in a row.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Run {
    pub(super) start: u64,
    pub(super) len: u64,
}

pub(super) struct Blocks<'file> {
    cursor: u64,
    end: u64,
    /// Reserved runs at or behind the cursor, last first.
    reserved: Vec<Run>,
    /// The bitmaps of all groups, one behind the other.
    used: Vec<u8>,
    sink: DiskSink<'file>,
}

impl<'file> Blocks<'file> {
    /// The blocks of a disk of `end` blocks in `file`, which reads as zeros. No file may have those of `reserved`, which is in ascending
    /// order.
    pub(super) fn new(file: &'file File, end: u64, mut reserved: Vec<Run>, cancel: &Cancel) -> Self {
        reserved.reverse();
        let used = vec![0; usize::try_from(end / 8).unwrap_or(0)];
        let sink = DiskSink::new(file, cancel);
        let mut blocks = Self { cursor: 0, end, reserved: reserved.clone(), used, sink };
        for run in reserved {
            blocks.mark(run);
        }
        blocks
    }

    /// Takes the next `blocks`, which are pieces where a reserved run or the length of an extent ends one.
    pub(super) fn take(&mut self, mut blocks: u64) -> Result<Vec<Run>, Error> {
        let mut runs = Vec::with_capacity(1);
        while blocks > 0 {
            let limit = self.skip_reserved();
            let len = blocks.min(limit - self.cursor).min(LONGEST);
            if len == 0 {
                return Err(Error::new(
                    ErrorCode::StorageIo,
                    "lay out the disk image: its size was estimated too small",
                ));
            }
            let run = Run { start: self.cursor, len };
            self.mark(run);
            runs.push(run);
            self.cursor += len;
            blocks -= len;
        }
        Ok(runs)
    }

    pub(super) fn take_one(&mut self) -> Result<u64, Error> {
        Ok(self.take(1)?[0].start)
    }

    /// Writes whole blocks.
    pub(super) fn write(&mut self, at: u64, bytes: &[u8]) -> Result<(), Error> {
        self.sink.write(at * BLOCK, bytes)
    }

    /// Takes blocks for `length` bytes of `source` and writes them there.
    pub(super) fn fill(&mut self, mut length: u64, source: &mut impl Read) -> Result<Vec<Run>, Error> {
        let runs = self.take(length.div_ceil(BLOCK))?;
        for run in &runs {
            let now = length.min(run.len * BLOCK);
            self.sink.copy(run.start * BLOCK, now, source)?;
            length -= now;
        }
        Ok(runs)
    }

    /// The bitmaps of all groups, one behind the other.
    pub(super) fn bitmaps(&self) -> &[u8] {
        &self.used
    }

    pub(super) fn flush(&mut self) -> Result<(), Error> {
        self.sink.flush()
    }

    /// Moves the cursor to a free block, and returns where the free run ends.
    fn skip_reserved(&mut self) -> u64 {
        while let Some(run) = self.reserved.last() {
            if run.start > self.cursor {
                return run.start;
            }
            self.cursor = self.cursor.max(run.start + run.len);
            self.reserved.pop();
        }
        self.end
    }

    fn mark(&mut self, run: Run) {
        for block in run.start..run.start + run.len {
            if let Some(byte) = usize::try_from(block / 8).ok().and_then(|at| self.used.get_mut(at)) {
                *byte |= 1 << (block % 8);
            }
        }
    }
}
