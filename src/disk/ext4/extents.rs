//! Extent trees: which blocks of the disk a file's blocks are (the kernel's `Documentation/filesystems/ext4`, "Extent Tree").
//! Four extents fit the inode; more have blocks of their own. Called by `disk`.

use mkext4::{
    csum,
    spec::{Extent, ExtentHeader, ExtentIdx},
};

use super::blocks::{Blocks, Run};
use crate::{block_groups::BLOCK, error::Error};

const ENTRY: usize = ExtentHeader::ENTRY_LEN;
/// Entries in an inode.
const IN_INODE: usize = 4;

/// What an inode says of its blocks.
#[derive(Debug)]
pub(super) struct Root {
    pub(super) bytes: [u8; 60],
    /// Blocks of the tree and of the content together.
    pub(super) blocks: u64,
}

/// Entries of one level, each beginning with the first block of the file that it leads to.
type Level = Vec<[u8; ENTRY]>;

/// Maps the content of an inode, in pieces: the first block of the file in each, and where it lies. `seed` is that of the inode's
/// checksums.
pub(super) fn map(blocks: &mut Blocks<'_>, seed: u32, pieces: &[(u32, Vec<Run>)]) -> Result<Root, Error> {
    let mut level = Level::new();
    let mut count = 0;
    for (first, runs) in pieces {
        let mut logical = *first;
        for run in runs {
            let mut entry = [0; ENTRY];
            // A run is at most 32 768 blocks long, which is written as such.
            let raw_len = u16::try_from(run.len).unwrap_or(u16::MAX);
            Extent { logical, raw_len, start: run.start }.encode(&mut entry);
            level.push(entry);
            logical = logical.wrapping_add(u32::from(raw_len));
            count += run.len;
        }
    }
    let mut depth = 0;
    while level.len() > IN_INODE {
        level = write(blocks, seed, depth, &level)?;
        count += level.len() as u64;
        depth += 1;
    }
    let mut bytes = [0; 60];
    node(&mut bytes, &level, IN_INODE, depth);
    Ok(Root { bytes, blocks: count })
}

/// Writes a level into blocks, and returns the level above, which leads to them.
fn write(blocks: &mut Blocks<'_>, seed: u32, depth: u16, level: &Level) -> Result<Level, Error> {
    let block_size = usize::try_from(BLOCK).unwrap_or(0);
    let capacity = ExtentIdx::node_capacity(block_size);
    let mut above = Level::new();
    for entries in level.chunks(capacity) {
        let at = blocks.take_one()?;
        let mut block = vec![0; block_size];
        node(&mut block, entries, capacity, depth);
        let checksum = csum::extent_block(seed, &block);
        block[block_size - 4..].copy_from_slice(&checksum.to_le_bytes());
        blocks.write(at, &block)?;
        let mut entry = [0; ENTRY];
        let logical = u32::from_le_bytes([entries[0][0], entries[0][1], entries[0][2], entries[0][3]]);
        ExtentIdx { logical, leaf: at }.encode(&mut entry);
        above.push(entry);
    }
    Ok(above)
}

fn node(bytes: &mut [u8], entries: &[[u8; ENTRY]], capacity: usize, depth: u16) {
    let short = |count: usize| u16::try_from(count).unwrap_or(u16::MAX);
    ExtentHeader { entries: short(entries.len()), max: short(capacity), depth, generation: 0 }.encode(bytes);
    for (slot, entry) in bytes[ExtentHeader::LEN..].chunks_exact_mut(ENTRY).zip(entries) {
        slot.copy_from_slice(entry);
    }
}
