//! The index of a large directory: a tree of name hashes with one or two levels above the blocks of entries (the kernel's
//! `Documentation/filesystems/ext4`, "Hash Tree Directories"). Called by `directory`.

use mkext4::{
    csum,
    dirhash::{self, Signedness},
    spec::{BLOCK_SIZE, htree},
};

use super::dirent::Entry;
use crate::error::Error;

/// The name hash that the superblock announces.
pub(super) const HALF_MD4: u8 = 1;
/// A hash, and the block of the directory that has names of that hash and above.
type Bound = (u32, u32);

pub(super) struct Index {
    inode: u32,
    parent: u32,
    /// Of the blocks of entries.
    leaves: Vec<Bound>,
    /// Of the nodes between the root and those, if the root can't hold all.
    nodes: Vec<Bound>,
}

impl Index {
    /// The hash of names in a file system, which sorts them: the major one and, among equals, the minor one.
    pub(super) fn hash(uuid: &[u8; 16]) -> impl Fn(&str) -> (u32, u32) {
        let seed = dirhash::seed_from_uuid(uuid);
        move |name| dirhash::half_md4(&seed, Signedness::Signed, name.as_bytes())
    }

    /// An index over blocks of entries, of which the first and the last hash is known.
    pub(super) fn over(
        inode: u32,
        parent: u32,
        ends: impl Iterator<Item = (u32, u32)>,
    ) -> Result<Self, Error> {
        let mut last = None;
        let bound = |(block, (first, end)): (usize, (u32, u32))| {
            // Names of one hash may go on in the next block, which the low bit marks.
            let goes_on = last.replace(end) == Some(first);
            (first | u32::from(goes_on), u32::try_from(block + 1).unwrap_or(u32::MAX))
        };
        let leaves: Vec<Bound> = ends.enumerate().map(bound).collect();
        let mut nodes = Vec::new();
        if leaves.len() > root_limit() {
            let behind = leaves.len() + 1;
            let block = |node: usize| u32::try_from(behind + node).unwrap_or(u32::MAX);
            nodes.extend(leaves.chunks(node_limit()).enumerate().map(|(node, of)| (of[0].0, block(node))));
        }
        if nodes.len() > root_limit() {
            return Err(Error::unsupported(
                "lay out the disk image: a directory of more than some ten million names",
            ));
        }
        Ok(Self { inode, parent, leaves, nodes })
    }

    /// Blocks of the index itself.
    pub(super) fn blocks(&self) -> usize {
        1 + self.nodes.len()
    }

    pub(super) fn root(&self, seed: u32) -> Vec<u8> {
        let mut block = vec![0; BLOCK_SIZE];
        let [dot, dots] = Entry::dots(self.inode, self.parent);
        dot.write(&mut block, 12);
        // To old kernels, which know no index, the rest of the block is this entry.
        dots.write(&mut block[12..], BLOCK_SIZE - 12);
        // The hash, the length of these four bytes and four before, and the levels between root and entries.
        block[0x1c..0x1f].copy_from_slice(&[HALF_MD4, 8, u8::from(!self.nodes.is_empty())]);
        let bounds = if self.nodes.is_empty() { &self.leaves } else { &self.nodes };
        fill(&mut block, htree::ROOT_COUNT_OFFSET, root_limit(), bounds, seed);
        block
    }

    pub(super) fn node(&self, node: usize, seed: u32) -> Vec<u8> {
        let mut block = vec![0; BLOCK_SIZE];
        Entry { name: "", inode: 0, kind: 0 }.write(&mut block, BLOCK_SIZE);
        let bounds = self.leaves.chunks(node_limit()).nth(node).unwrap_or_default();
        fill(&mut block, htree::NODE_COUNT_OFFSET, node_limit(), bounds, seed);
        block
    }
}

/// Writes bounds and their checksum. The first one needs no hash: limit and count stand in its place.
fn fill(block: &mut [u8], at: usize, limit: usize, bounds: &[Bound], seed: u32) {
    let short = |count: usize| u16::try_from(count).unwrap_or(u16::MAX);
    for ((hash, child), slot) in bounds.iter().zip(block[at..].chunks_exact_mut(8)) {
        slot[..4].copy_from_slice(&hash.to_le_bytes());
        slot[4..].copy_from_slice(&child.to_le_bytes());
    }
    block[at..at + 2].copy_from_slice(&short(limit).to_le_bytes());
    block[at + 2..at + 4].copy_from_slice(&short(bounds.len()).to_le_bytes());
    let checksum = csum::dx_block(seed, block, at, short(bounds.len()), short(limit));
    let tail = at + limit * 8;
    block[tail + 4..tail + 8].copy_from_slice(&checksum.to_le_bytes());
}

fn root_limit() -> usize {
    htree::root_limit(BLOCK_SIZE).into()
}

fn node_limit() -> usize {
    htree::node_limit(BLOCK_SIZE).into()
}
