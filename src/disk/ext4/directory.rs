//! A directory's blocks: its entries, and an index over them if one block is not enough (the kernel's
//! `Documentation/filesystems/ext4`, "Directory Entries"). Laid out first, so that it is known how many blocks there are, then
//! rendered one block at a time. Called by `disk`; the index is `htree`'s.

use std::ops::Range;

use mkext4::{csum, spec::BLOCK_SIZE};

use super::{dirent::Entry, htree::Index};
use crate::error::Error;

/// A block but for the entry at its end that holds the checksum.
const USABLE: usize = BLOCK_SIZE - TAIL;
const TAIL: usize = 12;
/// The type of that entry, which is no file's.
const TAIL_TYPE: u8 = 0xde;
/// Entries of as many bytes have an index, as e2fsck makes one.
const INDEXED: usize = BLOCK_SIZE - 24;

pub(super) struct Directory<'a> {
    /// In the order of the blocks that hold them.
    entries: Vec<Entry<'a>>,
    leaves: Vec<Range<usize>>,
    index: Option<Index>,
    seed: u32,
}

impl<'a> Directory<'a> {
    /// Lays out the directory `inode` in the directory `parent`; `entries` are without `.` and `..`.
    pub(super) fn new(
        inode: u32,
        parent: u32,
        mut entries: Vec<Entry<'a>>,
        uuid: &[u8; 16],
    ) -> Result<Self, Error> {
        let seed = csum::inode_seed(csum::fs_seed(uuid), inode, 0);
        let bytes: usize = entries.iter().map(Entry::len).sum();
        if bytes >= INDEXED {
            let hash = Index::hash(uuid);
            entries.sort_by_cached_key(|entry| hash(entry.name));
            let leaves = pack(&entries);
            let ends = leaves
                .iter()
                .map(|leaf| (hash(entries[leaf.start].name).0, hash(entries[leaf.end - 1].name).0));
            let index = Index::over(inode, parent, ends)?;
            return Ok(Self { entries, leaves, index: Some(index), seed });
        }
        entries.splice(0..0, Entry::dots(inode, parent));
        Ok(Self { leaves: pack(&entries), entries, index: None, seed })
    }

    pub(super) fn is_indexed(&self) -> bool {
        self.index.is_some()
    }

    pub(super) fn blocks(&self) -> usize {
        self.leaves.len() + self.index.as_ref().map_or(0, Index::blocks)
    }

    /// The block at a position of the directory: of an index, the root comes first and its nodes last.
    pub(super) fn render(&self, block: usize) -> Vec<u8> {
        let leaf = match &self.index {
            None => block,
            Some(index) if block == 0 => return index.root(self.seed),
            Some(index) if block > self.leaves.len() => {
                return index.node(block - self.leaves.len() - 1, self.seed);
            }
            Some(_) => block - 1,
        };
        let entries = self.leaves.get(leaf).map_or(&[][..], |range| &self.entries[range.clone()]);
        leaf_block(entries, self.seed)
    }
}

/// A block of entries; without any, one that is all free.
pub(super) fn leaf_block(entries: &[Entry<'_>], seed: u32) -> Vec<u8> {
    let mut block = vec![0; BLOCK_SIZE];
    let mut at = 0;
    for (position, entry) in entries.iter().enumerate() {
        // The last one has what is left.
        let length = if position + 1 == entries.len() { USABLE - at } else { entry.len() };
        entry.write(&mut block[at..], length);
        at += length;
    }
    if entries.is_empty() {
        Entry { name: "", inode: 0, kind: 0 }.write(&mut block, USABLE);
    }
    Entry { name: "", inode: 0, kind: TAIL_TYPE }.write(&mut block[USABLE..], TAIL);
    let checksum = csum::dirent_block(seed, &block);
    block[BLOCK_SIZE - 4..].copy_from_slice(&checksum.to_le_bytes());
    block
}

/// Fills blocks one after the other.
fn pack(entries: &[Entry<'_>]) -> Vec<Range<usize>> {
    let mut leaves = Vec::new();
    let mut start = 0;
    let mut used = 0;
    for (position, entry) in entries.iter().enumerate() {
        if used + entry.len() > USABLE {
            leaves.push(start..position);
            (start, used) = (position, 0);
        }
        used += entry.len();
    }
    leaves.push(start..entries.len());
    leaves
}
