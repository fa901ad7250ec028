//! Where the ext4 engine's bytes go: a sparse file, written in large pieces. Called by `ext4`.

use std::{fs::File, io, os::unix::fs::FileExt};

use mkext4::RegionSink;

const PIECE: usize = 1 << 20;
const BLOCK: u64 = 4096;

/// Gathers neighbouring writes: small files follow each other on the disk, and a system call each would dominate.
pub(crate) struct DiskSink<'a> {
    file: &'a File,
    piece: Vec<u8>,
    start: u64,
}

impl<'a> DiskSink<'a> {
    /// `file` has its final length already, and reads as zeros.
    pub(crate) fn new(file: &'a File) -> Self {
        Self { file, piece: Vec::with_capacity(PIECE), start: 0 }
    }

    pub(crate) fn flush(&mut self) -> io::Result<()> {
        write_sparse(self.file, &self.piece, self.start)?;
        self.start += self.piece.len() as u64;
        self.piece.clear();
        Ok(())
    }

    fn end(&self) -> u64 {
        self.start + self.piece.len() as u64
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

impl RegionSink for DiskSink<'_> {
    fn data(&mut self, offset: u64, bytes: &[u8]) -> io::Result<()> {
        if self.end() != offset || self.piece.len() + bytes.len() > PIECE {
            self.flush()?;
            self.start = offset;
        }
        if bytes.len() >= PIECE {
            write_sparse(self.file, bytes, offset)?;
            self.start += bytes.len() as u64;
        } else {
            self.piece.extend_from_slice(bytes);
        }
        Ok(())
    }

    fn zeros(&mut self, offset: u64, len: u64) -> io::Result<()> {
        // The rest of a file's last block joins its neighbours; anything longer stays a hole.
        if len < BLOCK && self.end() == offset && !self.piece.is_empty() {
            self.piece.resize(self.piece.len() + usize::try_from(len).unwrap_or(0), 0);
        }
        Ok(())
    }
}
