//! The block allocator. One cursor goes over the disk and skips the reserved blocks, so the order of taking is the order on the
//! disk, and nothing of a file needs to be remembered. Called by `blocks`.

use crate::error::{Error, ErrorKind};

/// The blocks that one extent can cover (Linux, `fs/ext4/ext4_extents.h`, `EXT_INIT_MAX_LEN`).
const LONGEST: u64 = 32768;

/// Blocks in a row.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Run {
    pub(super) start: u64,
    pub(super) len: u64,
}

pub(super) struct Space {
    cursor: u64,
    end: u64,
    /// Reserved runs at or behind the cursor, last first.
    reserved: Vec<Run>,
    /// A bit a block, as the disk's bitmaps have it.
    used: Vec<u8>,
}

impl Space {
    /// The blocks of a disk of `end` blocks, of which no file may have those of `reserved`, which is in ascending order.
    pub(super) fn new(end: u64, mut reserved: Vec<Run>) -> Self {
        reserved.reverse();
        let used = vec![0; usize::try_from(end / 8).unwrap_or(0)];
        let mut space = Self { cursor: 0, end, reserved: reserved.clone(), used };
        for run in reserved {
            space.mark(run);
        }
        space
    }

    /// Takes the next `blocks`, which are pieces where a reserved run or the length of an extent ends one.
    pub(super) fn take(&mut self, mut blocks: u64) -> Result<Vec<Run>, Error> {
        let mut runs = Vec::with_capacity(1);
        while blocks > 0 {
            let limit = self.skip_reserved();
            let len = blocks.min(limit - self.cursor).min(LONGEST);
            if len == 0 {
                return Err(Error::new(
                    ErrorKind::Engine,
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

    /// The bitmaps of all groups, one behind the other.
    pub(super) fn bitmaps(&self) -> &[u8] {
        &self.used
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
