//! Takes blocks and writes their content: what everything that an inode leads to is made of. Called by `disk`, and by `extents`
//! for the blocks of a tree.

use std::{fs::File, io::Read};

use boxlite_unpack::Cancel;

use super::{
    geometry::Geometry,
    sink::DiskSink,
    space::{Run, Space},
};
use crate::{block_groups::BLOCK, error::Error};

pub(super) struct Blocks<'file> {
    space: Space,
    sink: DiskSink<'file>,
}

impl<'file> Blocks<'file> {
    /// All blocks of a disk in `file`, which reads as zeros.
    pub(super) fn new(file: &'file File, geometry: Geometry, cancel: &Cancel) -> Self {
        Self { space: Space::new(geometry.blocks(), geometry.reserved()), sink: DiskSink::new(file, cancel) }
    }

    /// Takes the next `count` blocks; see [`Space::take`].
    pub(super) fn take(&mut self, count: u64) -> Result<Vec<Run>, Error> {
        self.space.take(count)
    }

    pub(super) fn take_one(&mut self) -> Result<u64, Error> {
        Ok(self.space.take(1)?[0].start)
    }

    /// Writes whole blocks.
    pub(super) fn write(&mut self, at: u64, bytes: &[u8]) -> Result<(), Error> {
        self.sink.write(at * BLOCK, bytes)
    }

    /// Takes blocks for `length` bytes of `source` and writes them there.
    pub(super) fn fill(&mut self, mut length: u64, source: &mut impl Read) -> Result<Vec<Run>, Error> {
        let runs = self.space.take(length.div_ceil(BLOCK))?;
        for run in &runs {
            let now = length.min(run.len * BLOCK);
            self.sink.copy(run.start * BLOCK, now, source)?;
            length -= now;
        }
        Ok(runs)
    }

    /// The bitmaps of all groups, one behind the other.
    pub(super) fn bitmaps(&self) -> &[u8] {
        self.space.bitmaps()
    }

    pub(super) fn flush(&mut self) -> Result<(), Error> {
        self.sink.flush()
    }
}
