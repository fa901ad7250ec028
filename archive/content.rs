//! `Content`: what a file holds, piece by piece, its holes left out. Called by all that copies a file, here and in the guest's agent.
//!
//! The size of a file need not be true: files of /proc have 0, those of /sys 4096, and others grow or shrink meanwhile. So a file is read
//! until it ends, and its length is where that was. One that grows faster than it can be read would never end, and is an error.

use std::{
    fs::{File, Metadata},
    io,
    os::unix::fs::{FileExt as _, MetadataExt as _},
};

use nix::{
    errno::Errno,
    unistd::{Whence, lseek64},
};

/// How far a file may grow while it is read, besides to twice its size.
const GROWTH: u64 = 64 << 20;

/// See the module.
#[derive(Debug)]
pub struct Content<'a> {
    file: &'a File,
    at: u64,
    /// Where the data at hand ends and a hole or the file's end begins.
    data_ends: u64,
    /// Whether the file system may still distinguish data from holes.
    knows_holes: bool,
    most: u64,
}

impl<'a> Content<'a> {
    /// Begins at the start of `file`, which `meta` describes.
    pub fn new(file: &'a File, meta: &Metadata) -> Self {
        let size = meta.size();
        // A file with blocks for all of its bytes has no hole, so none is searched for.
        let knows_holes = meta.blocks().saturating_mul(512) < size;
        Self { file, at: 0, data_ends: 0, knows_holes, most: size.saturating_mul(2).saturating_add(GROWTH) }
    }

    /// Fills `buffer` from its start with the next piece, and returns its position and length, or `None` at the end of the file.
    ///
    /// # Errors
    /// The file can't be read, or grows faster than it is read (`EFBIG`).
    pub fn read(&mut self, buffer: &mut [u8]) -> io::Result<Option<(u64, usize)>> {
        if self.knows_holes && self.at >= self.data_ends {
            self.find_data()?;
        }
        let left = if self.knows_holes { self.data_ends - self.at } else { u64::MAX };
        let wanted = usize::try_from(left).map_or(buffer.len(), |left| left.min(buffer.len()));
        let read = loop {
            match self.file.read_at(&mut buffer[..wanted], self.at) {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                read => break read?,
            }
        };
        if read == 0 {
            return Ok(None);
        }
        let at = self.at;
        self.at += read as u64;
        if self.at > self.most {
            return Err(io::Error::from_raw_os_error(Errno::EFBIG as i32));
        }
        Ok(Some((at, read)))
    }

    /// The next data that can be handed to `copy_file_range(2)`, as position and length; `None` where only `read` can find it.
    ///
    /// # Errors
    /// The file's data can't be found, or its size can't be read.
    pub fn extent(&mut self) -> io::Result<Option<(u64, u64)>> {
        if self.knows_holes && self.at >= self.data_ends {
            self.find_data()?;
        }
        Ok(self.knows_holes.then(|| (self.at, self.data_ends - self.at)))
    }

    /// Goes on behind what was copied without being read.
    pub fn advance(&mut self, by: u64) {
        self.at += by;
    }

    /// How far the file has been read, holes included: its length, once `read` has given `None`.
    pub fn position(&self) -> u64 {
        self.at
    }

    fn find_data(&mut self) -> io::Result<()> {
        let seek = |at: u64, whence| -> nix::Result<u64> {
            let found = lseek64(self.file, at.try_into().map_err(|_| Errno::EOVERFLOW)?, whence)?;
            u64::try_from(found).map_err(|_| Errno::EOVERFLOW)
        };
        match seek(self.at, Whence::SeekData) {
            Ok(data) => match seek(data, Whence::SeekHole) {
                Ok(hole) if hole > data => (self.at, self.data_ends) = (data, hole),
                _ => self.knows_holes = false,
            },
            // Nothing but a hole is left, or nothing at all: only read(2) knows where the file ends.
            Err(Errno::ENXIO) => {
                self.knows_holes = false;
                self.at = self.at.max(self.file.metadata()?.size());
            }
            Err(_) => self.knows_holes = false,
        }
        Ok(())
    }
}
