//! Going on in an archive: by reading what is skipped, or from another place of a file. Called by `reader`.

use std::{
    fs::File,
    io::{self, Read},
    os::unix::fs::FileExt,
};

/// A stream that goes on.
pub trait Skip: Read {
    /// Skips `bytes` bytes, or fewer at the end of the stream, and returns how many.
    ///
    /// # Errors
    /// The stream can't be read.
    fn skip(&mut self, bytes: u64) -> io::Result<u64> {
        io::copy(&mut self.take(bytes), &mut io::sink())
    }
}

impl Skip for &[u8] {}

/// A stream that goes on by being read.
#[derive(Debug)]
pub struct Stream<R>(pub R);

impl<R: Read> Read for Stream<R> {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        self.0.read(buf)
    }
}

impl<R: Read> Skip for Stream<R> {}

/// A file that is read here and there, without moving its cursor.
#[derive(Debug)]
pub struct StoredFile<'a> {
    file: &'a File,
    at: u64,
    length: u64,
}

impl<'a> StoredFile<'a> {
    /// The file from its start.
    ///
    /// # Errors
    /// The length of the file can't be read.
    pub fn new(file: &'a File) -> io::Result<Self> {
        Ok(Self { file, at: 0, length: file.metadata()?.len() })
    }

    /// The position of the next read.
    pub fn at(&self) -> u64 {
        self.at
    }
}

impl Read for StoredFile<'_> {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        let read = self.file.read_at(buf, self.at)?;
        self.at += read as u64;
        Ok(read)
    }
}

impl Skip for StoredFile<'_> {
    fn skip(&mut self, bytes: u64) -> io::Result<u64> {
        let skipped = bytes.min(self.length.saturating_sub(self.at));
        self.at += skipped;
        Ok(skipped)
    }
}
