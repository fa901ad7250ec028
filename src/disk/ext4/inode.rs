//! An inode as the disk has it: 256 bytes, of which the last 96 hold small extended attributes (the kernel's
//! `Documentation/filesystems/ext4`, "Index Nodes"). Made by `disk` and by `image`.

use mkext4::{
    csum,
    spec::{INODE_SIZE, Inode as Raw, LINK_MAX, file_type, iflags},
};

use super::{attributes::Attributes, extents::Root};
use crate::{
    block_groups::BLOCK,
    entry::{Meta, Special},
};

/// Sectors, of 512 bytes, in a block.
const SECTORS: u64 = BLOCK / 512;

pub(super) struct Inode {
    /// The type in a directory entry.
    pub(super) kind: u8,
    raw: Raw,
}

impl Inode {
    /// One that has no blocks but those of its attributes.
    pub(super) fn new(kind: u8, meta: Meta, links: u32, attributes: Attributes) -> Self {
        let Meta { seconds, nanos, uid, gid, mode } = meta;
        let (time, extra) = Raw::encode_timestamp(seconds, nanos);
        // A directory of more links than can be counted has one (`dir_nlink`).
        let links = if links > LINK_MAX { 1 } else { links };
        let raw = Raw {
            mode: type_bits(kind) | mode,
            uid,
            gid,
            links_count: u16::try_from(links).unwrap_or(1),
            blocks: if attributes.block == 0 { 0 } else { SECTORS },
            file_acl: attributes.block,
            extra_isize: 32,
            atime: time,
            ctime: time,
            mtime: time,
            crtime: time,
            atime_extra: extra,
            ctime_extra: extra,
            mtime_extra: extra,
            crtime_extra: extra,
            ibody: attributes.body,
            ..Raw::default()
        };
        Self { kind, raw }
    }

    pub(super) fn with_content(mut self, size: u64, root: &Root) -> Self {
        self.raw.size = size;
        self.raw.blocks += root.blocks * SECTORS;
        self.raw.flags |= iflags::EXTENTS;
        self.raw.block = root.bytes;
        self
    }

    pub(super) fn indexed(mut self, indexed: bool) -> Self {
        self.raw.flags |= if indexed { iflags::INDEX } else { 0 };
        self
    }

    /// A link target of at most 59 bytes stands where extents would.
    pub(super) fn with_target(mut self, target: &[u8]) -> Self {
        self.raw.size = target.len() as u64;
        self.raw.block[..target.len()].copy_from_slice(target);
        self
    }

    /// A device number stands in the first word, in its old form, or in the second (Linux, `include/linux/kdev_t.h`).
    pub(super) fn with_device(mut self, special: Special) -> Self {
        let Special { kind, major, minor } = special;
        if kind != file_type::CHR && kind != file_type::BLK {
            return self;
        }
        if major < 256 && minor < 256 {
            self.raw.block[..4].copy_from_slice(&(major << 8 | minor).to_le_bytes());
        } else {
            let new = minor & 0xff | major << 8 | (minor & !0xff) << 12;
            self.raw.block[4..8].copy_from_slice(&new.to_le_bytes());
        }
        self
    }

    pub(super) fn encode(mut self, seed: u32, number: u32) -> [u8; INODE_SIZE] {
        let mut bytes = [0; INODE_SIZE];
        self.raw.encode(&mut bytes);
        self.raw.checksum = csum::inode(seed, number, 0, &bytes);
        self.raw.encode(&mut bytes);
        bytes
    }
}

/// An inode that the file system keeps for itself and that holds nothing.
pub(super) fn reserved(seed: u32, number: u32) -> [u8; INODE_SIZE] {
    let mut bytes = [0; INODE_SIZE];
    let [low, high, ..] = csum::inode(seed, number, 0, &bytes).to_le_bytes();
    bytes[0x7c..0x7e].copy_from_slice(&[low, high]);
    bytes
}

fn type_bits(kind: u8) -> u16 {
    match kind {
        file_type::REG => 0o100_000,
        file_type::DIR => 0o040_000,
        file_type::SYMLINK => 0o120_000,
        file_type::CHR => 0o020_000,
        file_type::BLK => 0o060_000,
        _ => 0o010_000,
    }
}
