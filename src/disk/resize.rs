//! The size of a file system that was never mounted: empty groups are added at its end, or taken away from there, by
//! rewriting descriptors alone. Called by `base` for the size that most boxes have, and by `overlay` for any other.
//!
//! `ext4` writes two bitmaps for every 128 MiB of disk. A group that holds nothing needs neither: its descriptor says
//! that they are yet to be made (`BLOCK_UNINIT` and `INODE_UNINIT`; the kernel's `Documentation/filesystems/ext4`, "Block
//! Group Descriptors"), and the kernel makes them when it first puts something there. So a disk costs what its content
//! costs, whatever its size. Descriptors beyond the blocks that `ext4` laid out for them go into the groups that they
//! describe (`META_BG`), as after an online resize.

use std::{fs::File, io, os::unix::fs::FileExt};

use boxlite_error::ErrorCode;
use mkext4::{
    csum,
    spec::{BLOCK_SIZE, BLOCKS_PER_GROUP, GroupDesc, Superblock, bg_flags},
};

use crate::{
    block_groups::{
        DESCRIPTOR, GROUP, PER_BLOCK, SUPERBLOCK, Table, block_of, block_of_descriptors, block_of_superblock,
        has_superblock, with_checksum,
    },
    error::Error,
};

const BLOCK: usize = BLOCK_SIZE;
/// 16 TiB.
const MOST_GROUPS: usize = 1 << 17;
/// Of 256 bytes each.
const INODES_PER_BLOCK: u32 = 16;
/// `INCOMPAT_META_BG`.
const META_BG: u32 = 0x10;
/// What an empty group's descriptor says; its inode table is zeros, as is everything that was never written.
const EMPTY: u16 = bg_flags::BLOCK_UNINIT | bg_flags::INODE_UNINIT | bg_flags::INODE_ZEROED;

/// Bytes to be written at an offset of the disk.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Patch {
    pub(crate) offset: u64,
    pub(crate) bytes: Vec<u8>,
}

/// What is known of a file system from its first blocks.
pub(crate) struct Groups {
    superblock: Superblock,
    seed: u32,
    descriptors: Vec<GroupDesc>,
    /// Groups that hold something; those behind them are empty.
    used: usize,
}

impl Groups {
    /// Reads the file system at the start of `disk`: one of ours, at its own size or as [`Groups::resize`] left it
    /// without `META_BG`.
    pub(crate) fn read(disk: &File) -> Result<Self, Error> {
        let failed = |error: io::Error| Error::storage("read the disk image's descriptors", error);
        let wrong = |error| failed(io::Error::other::<mkext4::Error>(error));
        let mut raw = [0; Superblock::LEN];
        disk.read_exact_at(&mut raw, SUPERBLOCK as u64).map_err(failed)?;
        let superblock = Superblock::decode(&raw).map_err(wrong)?;
        let groups =
            usize::try_from(superblock.blocks_count / u64::from(BLOCKS_PER_GROUP)).unwrap_or(usize::MAX);
        let ours = superblock.feature_incompat & META_BG == 0
            && superblock.first_data_block == 0
            && superblock.blocks_per_group == BLOCKS_PER_GROUP
            && superblock.inodes_per_group <= BLOCKS_PER_GROUP
            && groups <= MOST_GROUPS;
        if !ours {
            return Err(Error::new(
                ErrorCode::StorageIo,
                "read the disk image's descriptors: not one of ours",
            ));
        }
        let mut table = vec![0; groups * DESCRIPTOR];
        disk.read_exact_at(&mut table, BLOCK as u64).map_err(failed)?;
        let descriptors = table.chunks_exact(DESCRIPTOR).map(GroupDesc::decode);
        let descriptors = descriptors.collect::<Result<Vec<_>, _>>().map_err(wrong)?;
        let used = descriptors.iter().rposition(|group| group.flags != EMPTY).map_or(0, |last| last + 1);
        Ok(Self { seed: csum::fs_seed(&superblock.uuid), superblock, descriptors, used })
    }

    /// The least size of the disk, in bytes.
    pub(crate) fn least(&self) -> u64 {
        self.used as u64 * GROUP
    }

    /// What to write to give the file system `size` bytes, a multiple of [`GROUP`].
    pub(crate) fn resize(mut self, size: u64) -> Result<Vec<Patch>, Error> {
        let groups = usize::try_from(size / GROUP).unwrap_or(usize::MAX).min(MOST_GROUPS);
        if groups < self.used {
            return Err(Error::too_large(format!(
                "size the disk: the image needs {}, and {} are asked for",
                mebibytes(self.least()),
                mebibytes(size)
            )));
        }
        let table = Table { blocks: self.used.div_ceil(PER_BLOCK), groups };
        self.descriptors.truncate(self.used);
        for group in self.used..groups {
            self.descriptors.push(self.empty(&table, group));
        }
        self.count(&table);
        Ok(self.patches(&table))
    }

    /// The descriptor of a group that holds nothing but its own tables.
    fn empty(&self, table: &Table, group: usize) -> GroupDesc {
        let own = table.overhead(group);
        let start = block_of(group) + own;
        let inodes = self.superblock.inodes_per_group;
        let descriptor = GroupDesc {
            block_bitmap: start,
            inode_bitmap: start + 1,
            inode_table: start + 2,
            free_blocks_count: BLOCKS_PER_GROUP - u32::try_from(own).unwrap_or(0) - 2 - self.table_blocks(),
            free_inodes_count: inodes,
            flags: EMPTY,
            itable_unused: inodes,
            ..GroupDesc::default()
        };
        with_checksum(descriptor, self.seed, group as u64)
    }

    /// Blocks of a group's inode table.
    fn table_blocks(&self) -> u32 {
        self.superblock.inodes_per_group / INODES_PER_BLOCK
    }

    /// Brings the superblock's sums up to date.
    fn count(&mut self, table: &Table) {
        let groups = u32::try_from(table.groups).unwrap_or(u32::MAX);
        let journal = u64::from(self.superblock.jnl_blocks[16]) / BLOCK as u64;
        let tables = u64::from(groups) * (2 + u64::from(self.table_blocks()));
        let own: u64 = (0..table.groups).map(|group| table.overhead(group)).sum();
        let sum =
            |count: fn(&GroupDesc) -> u32| self.descriptors.iter().map(|group| u64::from(count(group))).sum();
        let free_inodes: u64 = sum(|group| group.free_inodes_count);
        self.superblock.free_blocks_count = sum(|group| group.free_blocks_count);
        self.superblock.free_inodes_count = u32::try_from(free_inodes).unwrap_or(u32::MAX);
        self.superblock.blocks_count = block_of(table.groups);
        self.superblock.inodes_count = self.superblock.inodes_per_group.saturating_mul(groups);
        self.superblock.overhead_clusters = u32::try_from(journal + tables + own).unwrap_or(0);
        if table.is_meta() {
            self.superblock.feature_incompat |= META_BG;
            self.superblock.first_meta_bg = u32::try_from(table.blocks).unwrap_or(0);
        }
    }

    fn patches(&self, table: &Table) -> Vec<Patch> {
        let raw: Vec<_> = self.descriptors.chunks(PER_BLOCK).map(block_of_descriptors).collect();
        let first: Vec<u8> = raw[..table.blocks].concat();
        let mut patches = Vec::new();
        for group in (0..table.groups).filter(|&group| has_superblock(group as u64)) {
            let mut bytes = block_of_superblock(&self.superblock, group as u64);
            if !table.is_meta_group(group) {
                bytes.extend(&first);
            }
            patches.push(Patch { offset: block_of(group) * BLOCK as u64, bytes });
        }
        for (position, bytes) in raw.iter().enumerate().skip(table.blocks) {
            let holders =
                Table::holders(position * PER_BLOCK).into_iter().filter(|&group| group < table.groups);
            for group in holders {
                let block = block_of(group) + u64::from(has_superblock(group as u64));
                patches.push(Patch { offset: block * BLOCK as u64, bytes: bytes.clone() });
            }
        }
        patches
    }
}

fn mebibytes(bytes: u64) -> String {
    format!("{} MiB", bytes >> 20)
}
