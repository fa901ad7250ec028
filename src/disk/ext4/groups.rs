//! What a finished file system says of itself: bitmaps, group descriptors and the superblock with its copies. Called by `image`
//! once everything else has its place.

use mkext4::{
    csum,
    dirhash::seed_from_uuid,
    spec::{
        BLOCK_SIZE, BLOCKS_PER_GROUP, GroupDesc, JOURNAL_INO, Superblock, bg_flags, compat, incompat,
        ro_compat,
    },
};

use super::{
    disk::Disk,
    extents::Root,
    geometry::{self, JOURNAL_BLOCKS, TABLE},
    htree::HALF_MD4,
};
use crate::{
    block_groups::{BLOCK, DESCRIPTOR, INODES_PER_GROUP, SUPERBLOCK},
    error::Error,
};

const LABEL: &[u8; 16] = b"boxlite\0\0\0\0\0\0\0\0\0";

/// Writes them all, of a disk whose inodes up to `last` are used and whose journal is at `journal`.
pub(super) fn write(disk: &mut Disk<'_>, last: u32, journal: &Root) -> Result<(), Error> {
    let geometry = disk.geometry;
    let mut table = vec![0; usize::try_from(geometry.descriptors() * BLOCK).unwrap_or(0)];
    let mut free_blocks = 0;
    for (group, slot) in (0..geometry.groups).zip(table.chunks_exact_mut(DESCRIPTOR)) {
        let descriptor = describe(disk, group, last)?;
        free_blocks += u64::from(descriptor.free_blocks_count);
        descriptor.encode32(slot);
    }
    let mut superblock = superblock(disk, free_blocks, last, journal);
    let copies: Vec<_> = geometry.copies().collect();
    for group in copies {
        superblock.block_group_nr = u16::try_from(group).unwrap_or(u16::MAX);
        let start = group * geometry::BLOCKS_PER_GROUP;
        disk.blocks.write(start, &encode(superblock.clone(), if group == 0 { SUPERBLOCK } else { 0 }))?;
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
    let mut descriptor = GroupDesc {
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
    let mut raw = [0; DESCRIPTOR];
    descriptor.encode32(&mut raw);
    descriptor.checksum = csum::group_desc(disk.seed, small(group), &raw);
    disk.blocks.write(descriptor.block_bitmap, &blocks)?;
    disk.blocks.write(descriptor.inode_bitmap, &inodes)?;
    Ok(descriptor)
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

fn superblock(disk: &Disk<'_>, free_blocks: u64, last: u32, journal: &Root) -> Superblock {
    let geometry = disk.geometry;
    // A copy of the journal's inode: its extents and, in the last two words, its length.
    let mut journal_copy = [0; 17];
    for (word, bytes) in journal_copy.iter_mut().zip(journal.bytes.chunks_exact(4)) {
        *word = u32::from_le_bytes([bytes[0], bytes[1], bytes[2], bytes[3]]);
    }
    journal_copy[16] = small(JOURNAL_BLOCKS * BLOCK);
    let tables =
        geometry.groups * (2 + TABLE) + geometry.copies().count() as u64 * (1 + geometry.descriptors());
    Superblock {
        inodes_count: small(geometry.inodes()),
        blocks_count: geometry.blocks(),
        r_blocks_count: 0,
        free_blocks_count: free_blocks,
        free_inodes_count: small(geometry.inodes()) - last,
        first_data_block: 0,
        // 1024 << 2 bytes.
        log_block_size: 2,
        log_cluster_size: 2,
        blocks_per_group: BLOCKS_PER_GROUP,
        clusters_per_group: BLOCKS_PER_GROUP,
        inodes_per_group: small(INODES_PER_GROUP),
        mtime: 0,
        wtime: 0,
        mnt_count: 0,
        // Never check because of mounts or time.
        max_mnt_count: 0xffff,
        lastcheck: 0,
        checkinterval: 0,
        // Clean; go on after errors, as Linux does by default.
        state: 1,
        errors: 1,
        minor_rev_level: 0,
        creator_os: 0,
        rev_level: 1,
        def_resuid: 0,
        def_resgid: 0,
        first_ino: 11,
        inode_size: 256,
        block_group_nr: 0,
        feature_compat: compat::WRITER,
        feature_incompat: incompat::WRITER,
        feature_ro_compat: ro_compat::WRITER,
        uuid: disk.uuid,
        volume_name: *LABEL,
        last_mounted: [0; 64],
        reserved_gdt_blocks: 0,
        journal_uuid: [0; 16],
        journal_inum: JOURNAL_INO,
        journal_dev: 0,
        last_orphan: 0,
        hash_seed: seed_from_uuid(&disk.uuid),
        def_hash_version: HALF_MD4,
        jnl_backup_type: 1,
        desc_size: 0,
        // `user_xattr` and `acl`.
        default_mount_opts: 0x0c,
        first_meta_bg: 0,
        mkfs_time: 0,
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
        lpf_ino: 0,
        checksum_seed: 0,
        checksum: 0,
    }
}

/// A block with the superblock at an offset.
fn encode(mut superblock: Superblock, at: usize) -> Vec<u8> {
    let mut block = vec![0; BLOCK_SIZE];
    let raw = &mut block[at..at + Superblock::LEN];
    superblock.encode(raw);
    superblock.checksum = csum::superblock(raw);
    superblock.encode(raw);
    block
}

/// Counts of a file system of at most 16 TiB.
fn small(count: u64) -> u32 {
    u32::try_from(count).unwrap_or(u32::MAX)
}
