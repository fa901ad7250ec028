//! The estimate of how much disk a tree needs at the least, a little too high: what lies where depends on the number of groups.
//! Called by `ext4`. The box has what the estimate is too high by as free space.

use boxlite_archive::SparseMap;

use crate::{
    block_groups::{BLOCK, GROUP, INODES_PER_GROUP},
    tree::{Kind, NodeId, ROOT, Tree},
};

/// Of a group's 32 768 blocks: bitmaps, its inode table, a copy of the superblock, and of at most 16 blocks of descriptors.
const GROUP_OVERHEAD: u64 = 2 + INODES_PER_GROUP * 256 / BLOCK + 17;
/// Reserved inodes, and their like.
const RESERVED: u64 = 16;
/// An extent covers a group at most, and a block of the tree holds 340.
const EXTENTS: u64 = 340;

/// What a tree takes of a disk.
#[derive(Debug, Default)]
pub(crate) struct SizeEstimate {
    inodes: u64,
    blocks: u64,
    /// Bytes of files' content, holes aside.
    pub(crate) content: u64,
}

impl SizeEstimate {
    /// Adds up all that can be reached from the root of `tree`.
    pub(crate) fn of(tree: &Tree) -> Self {
        let mut estimate = Self::default();
        let mut seen = vec![false; tree.len()];
        let mut open = vec![ROOT];
        while let Some(id) = open.pop() {
            if std::mem::replace(&mut seen[id as usize], true) {
                continue;
            }
            estimate.add(tree, id);
            open.extend(tree.children(id).map(|(_, node)| node));
        }
        estimate
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
        // Attributes that the inode can't hold take a block.
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
