//! What a finished file system says of itself: bitmaps, group descriptors and the superblock with its copies. Called by `image`
//! once everything else has its place.

use boxlite_error::ErrorCode;
use mkext4::{
    csum,
    dirhash::seed_from_uuid,
    spec::{
        BLOCK_SIZE, BLOCKS_PER_GROUP, GroupDesc, JOURNAL_INO, SB_MAGIC, Superblock, bg_flags, compat,
        incompat, ro_compat,
    },
};

use super::{
    disk::Disk,
    extents::Root,
    geometry::{self, JOURNAL_BLOCKS, TABLE},
    htree::HALF_MD4,
};
use crate::{
    block_groups::{
        BLOCK, INODES_PER_GROUP, PER_BLOCK, block_of_descriptors, block_of_superblock, small, with_checksum,
    },
    error::Error,
};

const LABEL: &[u8; 16] = b"boxlite\0\0\0\0\0\0\0\0\0";

/// Writes them all, of a disk whose inodes up to `last` are used and whose journal is at `journal`.
pub(super) fn write(disk: &mut Disk<'_>, last: u32, journal: &Root) -> Result<(), Error> {
    let geometry = disk.geometry;
    let descriptors = (0..geometry.groups).map(|group| describe(disk, group, last));
    let descriptors = descriptors.collect::<Result<Vec<_>, _>>()?;
    let free_blocks = descriptors.iter().map(|group| u64::from(group.free_blocks_count)).sum();
    let table: Vec<u8> = descriptors.chunks(PER_BLOCK).flat_map(block_of_descriptors).collect();
    let superblock = superblock(disk, free_blocks, last, journal)?;
    for group in geometry.copies() {
        let start = group * geometry::BLOCKS_PER_GROUP;
        disk.blocks.write(start, &block_of_superblock(&superblock, group))?;
        disk.blocks.write(start + 1, &table)?;
    }
    Ok(())
}

/// Writes a group's bitmaps, and says what they hold.
fn describe(disk: &mut Disk<'_>, group: u64, last: u32) -> Result<GroupDesc, Error> {
    let geometry = disk.geometry;
    let position = usize::try_from(group).unwrap_or(0);
    let blocks = disk.blocks.bitmaps()[position * BLOCK_SIZE..][..BLOCK_SIZE].to_vec();
    let used_blocks: u32 = blocks.iter().map(|byte| byte.count_ones()).sum();
    let used = u64::from(last).saturating_sub(group * INODES_PER_GROUP).min(INODES_PER_GROUP);
    let inodes = inode_bitmap(used);
    let per_group = small(INODES_PER_GROUP);
    let free_inodes = per_group - small(used);
    let descriptor = GroupDesc {
        block_bitmap: geometry.block_bitmap(group),
        inode_bitmap: geometry.inode_bitmap(group),
        inode_table: geometry.inode_table(group),
        free_blocks_count: BLOCKS_PER_GROUP - used_blocks,
        free_inodes_count: free_inodes,
        used_dirs_count: disk.dirs[position],
        flags: bg_flags::INODE_ZEROED | if used == 0 { bg_flags::INODE_UNINIT } else { 0 },
        block_bitmap_csum: csum::block_bitmap(disk.seed, &blocks).into(),
        inode_bitmap_csum: match used {
            0 => 0,
            _ => csum::inode_bitmap(disk.seed, &inodes, per_group).into(),
        },
        itable_unused: free_inodes,
        ..GroupDesc::default()
    };
    disk.blocks.write(descriptor.block_bitmap, &blocks)?;
    disk.blocks.write(descriptor.inode_bitmap, &inodes)?;
    Ok(with_checksum(descriptor, disk.seed, group))
}

/// The first `used` inodes, and those behind the table's end, which no file has. The bitmap of a group without inodes is yet to be made.
fn inode_bitmap(used: u64) -> Vec<u8> {
    let mut bitmap = vec![0; BLOCK_SIZE];
    if used > 0 {
        for bit in (0..used).chain(INODES_PER_GROUP..u64::from(BLOCKS_PER_GROUP)) {
            bitmap[usize::try_from(bit / 8).unwrap_or(0)] |= 1 << (bit % 8);
        }
    }
    bitmap
}

fn superblock(disk: &Disk<'_>, free_blocks: u64, last: u32, journal: &Root) -> Result<Superblock, Error> {
    let geometry = disk.geometry;
    // A copy of the journal's inode: its extents and, in the last two words, its length.
    let mut journal_copy = [0; 17];
    for (word, bytes) in journal_copy.iter_mut().zip(journal.bytes.chunks_exact(4)) {
        *word = u32::from_le_bytes([bytes[0], bytes[1], bytes[2], bytes[3]]);
    }
    journal_copy[16] = small(JOURNAL_BLOCKS * BLOCK);
    let tables =
        geometry.groups * (2 + TABLE) + geometry.copies().count() as u64 * (1 + geometry.descriptors());
    Ok(Superblock {
        inodes_count: small(geometry.inodes()),
        blocks_count: geometry.blocks(),
        free_blocks_count: free_blocks,
        free_inodes_count: small(geometry.inodes()) - last,
        // 1024 << 2 bytes.
        log_block_size: 2,
        log_cluster_size: 2,
        blocks_per_group: BLOCKS_PER_GROUP,
        clusters_per_group: BLOCKS_PER_GROUP,
        inodes_per_group: small(INODES_PER_GROUP),
        // Never check because of mounts or time.
        max_mnt_count: 0xffff,
        // Clean; go on after errors, as Linux does by default.
        state: 1,
        errors: 1,
        rev_level: 1,
        first_ino: 11,
        inode_size: 256,
        feature_compat: compat::WRITER,
        feature_incompat: incompat::WRITER,
        feature_ro_compat: ro_compat::WRITER,
        uuid: disk.uuid,
        volume_name: *LABEL,
        journal_inum: JOURNAL_INO,
        hash_seed: seed_from_uuid(&disk.uuid),
        def_hash_version: HALF_MD4,
        jnl_backup_type: 1,
        // `user_xattr` and `acl`.
        default_mount_opts: 0x0c,
        jnl_blocks: journal_copy,
        min_extra_isize: 32,
        want_extra_isize: 32,
        // Names are hashed as signed characters.
        flags: 1,
        // Sixteen.
        log_groups_per_flex: 4,
        // CRC32C.
        checksum_type: 1,
        kbytes_written: (geometry.blocks() - free_blocks) * (BLOCK / 1024),
        overhead_clusters: small(tables + JOURNAL_BLOCKS),
        ..blank()?
    })
}

/// A superblock whose fields are all zero.
fn blank() -> Result<Superblock, Error> {
    let mut raw = [0; Superblock::LEN];
    raw[0x38..0x3a].copy_from_slice(&SB_MAGIC.to_le_bytes());
    Superblock::decode(&raw)
        .map_err(|error| Error::new(ErrorCode::StorageIo, "lay out the disk image").because(error))
}
