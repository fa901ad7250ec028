//! Block groups, which every file system of ours is made of: their size, where their descriptors are on a disk, and which have a
//! copy of the superblock. Called by `ext4`, which lays them out, by `resize`, which rewrites the descriptors, and by `estimate`.

use mkext4::{
    csum,
    spec::{BLOCK_SIZE, BLOCKS_PER_GROUP, GroupDesc, Superblock},
};

/// Bytes of a block.
pub(crate) const BLOCK: u64 = BLOCK_SIZE as u64;
/// Bytes of a block group: file systems have a multiple of it.
pub(crate) const GROUP: u64 = BLOCK * BLOCKS_PER_GROUP as u64;
/// mke2fs's own ratio: one inode for 16 KiB of disk. A group of 128 MiB has as many on every disk of every size.
pub(crate) const INODES_PER_GROUP: u64 = GROUP / (16 * 1024);
/// Where the superblock lies in group 0, in bytes: behind a boot sector. Its copies begin their groups.
pub(crate) const SUPERBLOCK: usize = 1024;
/// Bytes of a descriptor where the `64bit` feature is off.
pub(crate) const DESCRIPTOR: usize = 32;
/// Descriptors in a block.
pub(crate) const PER_BLOCK: usize = BLOCK_SIZE / DESCRIPTOR;

/// Where descriptors are: the first of them in blocks behind every superblock, the others with the groups they describe.
pub(crate) struct Table {
    /// Blocks behind a superblock, `first_meta_bg` if there are more.
    pub(crate) blocks: usize,
    pub(crate) groups: usize,
}

impl Table {
    pub(crate) fn is_meta(&self) -> bool {
        self.groups > self.blocks * PER_BLOCK
    }

    pub(crate) fn is_meta_group(&self, group: usize) -> bool {
        group / PER_BLOCK >= self.blocks
    }

    /// The groups that hold a block of descriptors which begins with that of `first`.
    pub(crate) fn holders(first: usize) -> [usize; 3] {
        [first, first + 1, first + PER_BLOCK - 1]
    }

    /// Blocks at a group's start for superblock and descriptors (`ext4_num_base_meta_blocks` in fs/ext4/balloc.c).
    pub(crate) fn overhead(&self, group: usize) -> u64 {
        let superblock = has_superblock(group as u64);
        let descriptors = if self.is_meta_group(group) {
            usize::from(Self::holders(group - group % PER_BLOCK).contains(&group))
        } else if superblock {
            self.blocks
        } else {
            0
        };
        u64::from(superblock) + descriptors as u64
    }
}

/// `sparse_super`: group 0 and 1, and the powers of 3, 5 and 7.
pub(crate) fn has_superblock(group: u64) -> bool {
    let is_power_of = |base: u64| {
        let mut power = base;
        while power < group {
            power *= base;
        }
        power == group
    };
    group < 2 || [3, 5, 7].into_iter().any(is_power_of)
}

/// The first block of a group.
pub(crate) fn block_of(group: usize) -> u64 {
    group as u64 * u64::from(BLOCKS_PER_GROUP)
}

/// A block of descriptors.
pub(crate) fn block_of_descriptors(groups: &[GroupDesc]) -> Vec<u8> {
    let mut block = vec![0; BLOCK_SIZE];
    for (group, raw) in groups.iter().zip(block.chunks_exact_mut(DESCRIPTOR)) {
        group.encode32(raw);
    }
    block
}

/// The descriptor of `group` with its checksum; `seed` is the file system's.
pub(crate) fn with_checksum(mut descriptor: GroupDesc, seed: u32, group: u64) -> GroupDesc {
    let mut raw = [0; DESCRIPTOR];
    descriptor.encode32(&mut raw);
    descriptor.checksum = csum::group_desc(seed, small(group), &raw);
    descriptor
}

/// The block that `group` begins with: the superblock, or a copy of it.
pub(crate) fn block_of_superblock(superblock: &Superblock, group: u64) -> Vec<u8> {
    let mut superblock = superblock.clone();
    superblock.block_group_nr = u16::try_from(group).unwrap_or(u16::MAX);
    let mut block = vec![0; BLOCK_SIZE];
    let at = if group == 0 { SUPERBLOCK } else { 0 };
    let raw = &mut block[at..at + Superblock::LEN];
    superblock.encode(raw);
    superblock.checksum = csum::superblock(raw);
    superblock.encode(raw);
    block
}

/// A count in a file system of at most 16 TiB.
pub(crate) fn small(count: u64) -> u32 {
    u32::try_from(count).unwrap_or(u32::MAX)
}
