//! How much disk a tree needs at the least, a little generously: what lies where depends on the number of groups. Called by
//! `ext4`. What the estimate is over, the box has as free space.

use boxlite_unpack::SparseMap;

use crate::{
    resize::GROUP,
    tree::{Kind, NodeId, ROOT, Tree},
};

pub(crate) const BLOCK: u64 = 4096;
/// mke2fs's own ratio: one inode for 16 KiB of disk. A group of 128 MiB has as many on every disk of every size.
pub(crate) const INODES_PER_GROUP: u64 = GROUP / (16 * 1024);
/// Of a group's 32 768 blocks: bitmaps, its inode table, a copy of the superblock, and of at most 16 blocks of descriptors.
const GROUP_OVERHEAD: u64 = 2 + INODES_PER_GROUP * 256 / BLOCK + 17;
/// Reserved inodes, and their like.
const RESERVED: u64 = 16;
/// An extent covers a group at most, and a block of the tree has room for 340.
const EXTENTS: u64 = 340;

/// What a tree takes.
#[derive(Debug, Default)]
pub(crate) struct Room {
    inodes: u64,
    blocks: u64,
    /// Bytes of files' content, holes aside.
    pub(crate) content: u64,
}

impl Room {
    /// Adds up all that can be reached from the root of `tree`.
    pub(crate) fn of(tree: &Tree) -> Self {
        let mut room = Self::default();
        let mut seen = vec![false; tree.len()];
        let mut open = vec![ROOT];
        while let Some(id) = open.pop() {
            if std::mem::replace(&mut seen[id as usize], true) {
                continue;
            }
            room.add(tree, id);
            open.extend(tree.children(id).map(|(_, node)| node));
        }
        room
    }

    /// The block groups that hold it, beside a journal of `journal` blocks.
    pub(crate) fn groups(&self, journal: u64) -> u64 {
        let blocks = self.blocks + self.blocks / 64 + journal + RESERVED;
        let by_blocks = blocks.div_ceil(GROUP / BLOCK - GROUP_OVERHEAD);
        // Some inodes more, so that the box can make files before the first empty group is used.
        let by_inodes = (self.inodes + self.inodes / 16 + RESERVED).div_ceil(INODES_PER_GROUP);
        by_blocks.max(by_inodes)
    }

    fn add(&mut self, tree: &Tree, id: NodeId) {
        let node = tree.node(id);
        self.inodes += 1;
        // Attributes beyond what an inode has room for take a block.
        self.blocks += u64::from(!tree.xattrs(node).is_empty());
        match node.kind {
            Kind::Dir(_) => self.blocks += directory(tree, id),
            Kind::File { size, sparse, .. } => {
                let sparse = sparse.map(|id| tree.sparse(id));
                let runs = sparse.map_or(0, SparseMap::runs);
                let stored = sparse.map_or(size, SparseMap::stored).div_ceil(BLOCK);
                let extents = stored.div_ceil(GROUP / BLOCK) + runs;
                self.blocks += stored + if extents > 4 { 2 + extents / EXTENTS } else { 0 };
                self.content += stored * BLOCK;
            }
            // A long target of a symlink has a block of its own.
            Kind::Symlink(_) | Kind::Special(_) => self.blocks += 1,
        }
    }
}

/// Blocks of a directory: entries of 8 bytes and the name; an index leaves its blocks half empty at worst.
fn directory(tree: &Tree, dir: NodeId) -> u64 {
    let bytes: u64 = tree.children(dir).map(|(name, _)| 12 + name.len() as u64).sum();
    2 + bytes * 2 / BLOCK
}
