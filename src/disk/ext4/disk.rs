//! A disk that is being written: puts content and inodes in their places. Filled by `image`, finished by `groups`.
//! Nothing of a file stays in memory once it is written.

use std::{fs::File, io::Read};

use boxlite_unpack::Cancel;
use mkext4::{
    csum,
    spec::{BLOCK_SIZE, JBD2_MAGIC, JOURNAL_INO, ROOT_INO, file_type},
};

use super::{
    attributes::{self, Attributes},
    blocks::{Blocks, Run},
    directory::{Directory, leaf_block},
    dirent::Entry,
    extents::{self, Root},
    geometry::{Geometry, JOURNAL_BLOCKS},
    inode::{self, Inode},
    order::LOST_FOUND_INO,
    sink::DiskSink,
};
use crate::{
    block_groups::{BLOCK, INODES_PER_GROUP, small},
    entry::Meta,
    error::Error,
    xattr::Xattr,
};

/// Blocks of `/lost+found`, which must be large enough before it is needed: as mke2fs makes it.
const LOST_FOUND_BLOCKS: u64 = 4;
/// Inodes that the file system keeps and doesn't use.
const RESERVED: [u32; 8] = [1, 3, 4, 5, 6, 7, 9, 10];

pub(super) struct Disk<'file> {
    pub(super) geometry: Geometry,
    pub(super) uuid: [u8; 16],
    /// Of all checksums.
    pub(super) seed: u32,
    pub(super) blocks: Blocks<'file>,
    /// Directories in each group's inodes.
    pub(super) dirs: Vec<u32>,
    /// Inodes go up beside the blocks of content.
    inodes: DiskSink<'file>,
}

impl<'file> Disk<'file> {
    /// A disk in `file`, which reads as zeros.
    pub(super) fn new(file: &'file File, geometry: Geometry, uuid: [u8; 16], cancel: &Cancel) -> Self {
        Self {
            geometry,
            uuid,
            seed: csum::fs_seed(&uuid),
            blocks: Blocks::new(file, geometry.blocks(), geometry.reserved(), cancel),
            dirs: vec![0; usize::try_from(geometry.groups).unwrap_or(0)],
            inodes: DiskSink::new(file, cancel),
        }
    }

    /// Writes what every file system has: reserved inodes, the journal and `/lost+found`. Returns where the journal is.
    pub(super) fn system(&mut self) -> Result<Root, Error> {
        for number in RESERVED {
            self.inodes.write(self.geometry.inode(number), &inode::reserved(self.seed, number))?;
        }
        let meta = |mode| Meta { seconds: 0, nanos: 0, uid: 0, gid: 0, mode };
        let runs = self.blocks.take(JOURNAL_BLOCKS)?;
        self.blocks.write(runs[0].start, &journal(self.uuid))?;
        let root = self.map(JOURNAL_INO, &[(0, runs)])?;
        let journal = Inode::new(file_type::REG, meta(0o600), 1, Attributes::default());
        self.inode(JOURNAL_INO, journal.with_content(JOURNAL_BLOCKS * BLOCK, &root))?;

        let runs = self.blocks.take(LOST_FOUND_BLOCKS)?;
        let seed = csum::inode_seed(self.seed, LOST_FOUND_INO, 0);
        let dots = Entry::dots(LOST_FOUND_INO, ROOT_INO);
        for (position, block) in all(&runs).enumerate() {
            self.blocks.write(block, &leaf_block(if position == 0 { &dots } else { &[] }, seed))?;
        }
        let content = self.map(LOST_FOUND_INO, &[(0, runs)])?;
        let lost_found = Inode::new(file_type::DIR, meta(0o700), 2, Attributes::default());
        self.inode(LOST_FOUND_INO, lost_found.with_content(LOST_FOUND_BLOCKS * BLOCK, &content))?;
        Ok(root)
    }

    /// Places extended attributes: in the inode, and in a block if there are too many.
    pub(super) fn attributes(&mut self, list: &[Xattr]) -> Result<Attributes, Error> {
        let (body, rest) = attributes::split(list);
        if rest.is_empty() {
            return Ok(Attributes { body, block: 0 });
        }
        let block = self.blocks.take_one()?;
        self.blocks.write(block, &attributes::block(&rest, self.seed, block))?;
        Ok(Attributes { body, block })
    }

    /// Writes a directory's blocks; returns how many bytes they are, and where.
    pub(super) fn directory(&mut self, number: u32, directory: &Directory<'_>) -> Result<(u64, Root), Error> {
        let count = directory.blocks();
        let runs = self.blocks.take(count as u64)?;
        for (position, block) in all(&runs).enumerate() {
            self.blocks.write(block, &directory.render(position))?;
        }
        let root = self.map(number, &[(0, runs)])?;
        Ok((count as u64 * BLOCK, root))
    }

    /// Writes a block's worth of bytes, or less, that an inode has all of its content in.
    pub(super) fn short(&mut self, number: u32, bytes: &[u8]) -> Result<Root, Error> {
        let run = Run { start: self.blocks.take_one()?, len: 1 };
        let mut block = vec![0; BLOCK_SIZE];
        block[..bytes.len()].copy_from_slice(bytes);
        self.blocks.write(run.start, &block)?;
        self.map(number, &[(0, vec![run])])
    }

    /// Writes what `source` gives into the blocks of a file, whose data is in `ranges`: their starts and ends in bytes.
    pub(super) fn file(
        &mut self,
        number: u32,
        ranges: impl IntoIterator<Item = (u64, u64)>,
        source: &mut impl Read,
    ) -> Result<Root, Error> {
        let mut pieces = Vec::with_capacity(1);
        for (start, end) in ranges {
            let runs = self.blocks.fill(end - start, source)?;
            // Entries of longer files are refused.
            pieces.push((u32::try_from(start / BLOCK).unwrap_or(u32::MAX), runs));
        }
        self.map(number, &pieces)
    }

    pub(super) fn inode(&mut self, number: u32, inode: Inode) -> Result<(), Error> {
        if inode.kind == file_type::DIR {
            let group = u64::from(number - 1) / INODES_PER_GROUP;
            self.dirs[usize::try_from(group).unwrap_or(0)] += 1;
        }
        self.inodes.write(self.geometry.inode(number), &inode.encode(self.seed, number))
    }

    /// Maps the content of an inode; see [`extents::map`].
    pub(super) fn map(&mut self, number: u32, pieces: &[(u32, Vec<Run>)]) -> Result<Root, Error> {
        extents::map(&mut self.blocks, csum::inode_seed(self.seed, number, 0), pieces)
    }

    pub(super) fn flush(&mut self) -> Result<(), Error> {
        self.inodes.flush()?;
        self.blocks.flush()
    }
}

/// The numbers of all blocks of `runs`.
fn all(runs: &[Run]) -> impl Iterator<Item = u64> {
    runs.iter().flat_map(|run| run.start..run.start + run.len)
}

/// The first block of an empty journal; the kernel gives it its checksums when it first mounts it.
fn journal(uuid: [u8; 16]) -> Vec<u8> {
    let mut block = vec![0; BLOCK_SIZE];
    let blocks = small(JOURNAL_BLOCKS);
    // The type, `JBD2_SUPERBLOCK_V2`; the size and the number of blocks; the first of them and the first transaction; the users.
    let fields = [(0, JBD2_MAGIC), (4, 4), (12, small(BLOCK)), (16, blocks), (20, 1), (24, 1), (64, 1)];
    for (at, field) in fields {
        block[at..at + 4].copy_from_slice(&field.to_be_bytes());
    }
    block[48..64].copy_from_slice(&uuid);
    block
}
