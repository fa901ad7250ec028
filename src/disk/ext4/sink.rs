//! Where a disk's bytes go: a sparse file, written in large pieces. Used by `blocks` for content and by `disk` for
//! inodes.

use std::{
    fs::File,
    io::{self, Read},
    os::unix::fs::FileExt,
};

use boxlite_unpack::Cancel;

use crate::{block_groups::BLOCK, error::Error};

const PIECE: usize = 1 << 20;
const ALIGNMENT: usize = mkext4::spec::BLOCK_SIZE;

/// Gathers neighbouring writes: small files follow each other on the disk, and a system call each would dominate.
pub(super) struct DiskSink<'a> {
    file: &'a File,
    /// Looked at for each piece, so that the whole of the writing is.
    cancel: Cancel,
    piece: Vec<u8>,
    start: u64,
}

impl<'a> DiskSink<'a> {
    /// `file` has its final length already, and reads as zeros.
    pub(super) fn new(file: &'a File, cancel: &Cancel) -> Self {
        Self { file, cancel: cancel.clone(), piece: Vec::with_capacity(PIECE), start: 0 }
    }

    pub(super) fn write(&mut self, offset: u64, mut bytes: &[u8]) -> Result<(), Error> {
        self.seek(offset)?;
        while !bytes.is_empty() {
            let (now, later) = bytes.split_at(self.free()?.min(bytes.len()));
            self.piece.extend_from_slice(now);
            bytes = later;
        }
        Ok(())
    }

    /// Writes what `source` gives next, `length` bytes, and zeros to the end of the last block, so that it joins its
    /// neighbour. `offset` is that of a block.
    pub(super) fn copy(&mut self, offset: u64, length: u64, source: &mut impl Read) -> Result<(), Error> {
        self.seek(offset)?;
        let mut left = length;
        while left > 0 {
            let now = self.free()?.min(usize::try_from(left).unwrap_or(usize::MAX));
            let from = self.piece.len();
            self.piece.resize(from + now, 0);
            source
                .read_exact(&mut self.piece[from..])
                .map_err(|error| Error::reading("unpack layer", error))?;
            left -= now as u64;
        }
        self.piece.resize(self.piece.len().next_multiple_of(ALIGNMENT), 0);
        Ok(())
    }

    pub(super) fn flush(&mut self) -> Result<(), Error> {
        self.cancel.check().map_err(|error| Error::reading("write the disk image", error))?;
        write_sparse(self.file, &self.piece, self.start)
            .map_err(|error| Error::storage("write the disk image", error))?;
        self.start += self.piece.len() as u64;
        self.piece.clear();
        Ok(())
    }

    fn seek(&mut self, offset: u64) -> Result<(), Error> {
        if self.start + self.piece.len() as u64 != offset {
            self.flush()?;
            self.start = offset;
        }
        Ok(())
    }

    /// Bytes that the piece can still take; at least one.
    fn free(&mut self) -> Result<usize, Error> {
        if self.piece.len() == PIECE {
            self.flush()?;
        }
        Ok(PIECE - self.piece.len())
    }
}

/// Writes all but the blocks of zeros, which the file has already: those of bitmaps are most of an empty disk.
fn write_sparse(file: &File, bytes: &[u8], start: u64) -> io::Result<()> {
    let mut from = 0;
    let mut at = 0;
    while at < bytes.len() {
        let to_boundary = BLOCK - (start + at as u64) % BLOCK;
        let end = bytes.len().min(at + usize::try_from(to_boundary).unwrap_or(usize::MAX));
        if is_zero(&bytes[at..end]) {
            file.write_all_at(&bytes[from..at], start + from as u64)?;
            from = end;
        }
        at = end;
    }
    file.write_all_at(&bytes[from..], start + from as u64)
}

fn is_zero(bytes: &[u8]) -> bool {
    // Compared with itself one byte on: as fast as memory.
    bytes.first().is_none_or(|&first| first == 0 && bytes[1..] == bytes[..bytes.len() - 1])
}
