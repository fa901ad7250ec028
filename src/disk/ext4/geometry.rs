//! Where an ext4 file system of so many groups keeps its own tables (the kernel's `Documentation/filesystems/ext4`,
//! "Layout"). Called by everything in `ext4`.
//!
//! It is mke2fs's arrangement: sixteen groups keep their bitmaps and inode tables together at the start of the first of them
//! (`flex_bg`), and some have a copy of the superblock and of the descriptors (`sparse_super`).

use super::blocks::Run;
use crate::block_groups::{BLOCK, GROUP, INODES_PER_GROUP, PER_BLOCK, has_superblock};

/// 32 MiB: the journal is rewritten in a circle, so its length is what an idle box's overlay grows by in the long run.
pub(super) const JOURNAL_BLOCKS: u64 = 8192;
pub(super) const INODE: u64 = 256;
pub(super) const BLOCKS_PER_GROUP: u64 = GROUP / BLOCK;
/// Blocks of a group's inode table.
pub(super) const TABLE: u64 = INODES_PER_GROUP * INODE / BLOCK;
/// Groups that keep their tables together.
const SPAN: u64 = 16;

/// A file system of whole groups of 128 MiB.
#[derive(Debug, Clone, Copy)]
pub(super) struct Geometry {
    pub(super) groups: u64,
}

impl Geometry {
    pub(super) fn blocks(self) -> u64 {
        self.groups * BLOCKS_PER_GROUP
    }

    pub(super) fn inodes(self) -> u64 {
        self.groups * INODES_PER_GROUP
    }

    /// Blocks of all groups' descriptors.
    pub(super) fn descriptors(self) -> u64 {
        self.groups.div_ceil(PER_BLOCK as u64)
    }

    /// The groups, the first among them, that begin with the superblock and the descriptors.
    pub(super) fn copies(self) -> impl Iterator<Item = u64> {
        (0..self.groups).filter(|&group| has_superblock(group))
    }

    pub(super) fn block_bitmap(self, group: u64) -> u64 {
        self.tables(group) + group % SPAN
    }

    pub(super) fn inode_bitmap(self, group: u64) -> u64 {
        self.tables(group) + self.span(group) + group % SPAN
    }

    pub(super) fn inode_table(self, group: u64) -> u64 {
        self.tables(group) + 2 * self.span(group) + group % SPAN * TABLE
    }

    /// Where an inode is, in bytes.
    pub(super) fn inode(self, number: u32) -> u64 {
        let index = u64::from(number - 1);
        self.inode_table(index / INODES_PER_GROUP) * BLOCK + index % INODES_PER_GROUP * INODE
    }

    /// All that no file can have, in ascending order.
    pub(super) fn reserved(self) -> Vec<Run> {
        let copies =
            self.copies().map(|group| Run { start: group * BLOCKS_PER_GROUP, len: 1 + self.descriptors() });
        let spans = (0..self.groups)
            .step_by(usize::try_from(SPAN).unwrap_or(1))
            .map(|first| Run { start: self.tables(first), len: self.span(first) * (2 + TABLE) });
        let mut runs: Vec<_> = copies.chain(spans).collect();
        runs.sort_unstable_by_key(|run| run.start);
        runs
    }

    /// Where the tables of a group's span begin: behind the descriptors, of which no span but the first has a copy there.
    fn tables(self, group: u64) -> u64 {
        let first = group - group % SPAN;
        first * BLOCKS_PER_GROUP + if first == 0 { 1 + self.descriptors() } else { 0 }
    }

    /// Groups in the span of a group.
    fn span(self, group: u64) -> u64 {
        SPAN.min(self.groups - (group - group % SPAN))
    }
}
