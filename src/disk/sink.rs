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
        self.file.write_all_at(&self.piece, self.start)?;
        self.start += self.piece.len() as u64;
        self.piece.clear();
        Ok(())
    }

    fn end(&self) -> u64 {
        self.start + self.piece.len() as u64
    }
}

impl RegionSink for DiskSink<'_> {
    fn data(&mut self, offset: u64, bytes: &[u8]) -> io::Result<()> {
        if self.end() != offset || self.piece.len() + bytes.len() > PIECE {
            self.flush()?;
            self.start = offset;
        }
        if bytes.len() >= PIECE {
            self.file.write_all_at(bytes, offset)?;
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
