//! A file that keeps the end of an endless stream: when it is full, its older half is dropped. Written by the console.

use std::{
    fs::{File, OpenOptions},
    io::{self, Read, Seek, SeekFrom, Write},
    path::Path,
};

/// The largest size of the file, in bytes.
pub(crate) const LIMIT: u64 = 1 << 20;

/// How much of the end is retained when the file is full, in bytes.
const RETAINED: u64 = LIMIT / 2;

/// The file, opened for appending.
pub(crate) struct BoundedLog {
    file: File,
    length: u64,
}

impl BoundedLog {
    /// Creates or truncates the file at `path`.
    pub(crate) fn create(path: &Path) -> io::Result<Self> {
        let file = OpenOptions::new().read(true).write(true).create(true).truncate(true).open(path)?;
        Ok(Self { file, length: 0 })
    }

    /// Appends `bytes`, which must be fewer than [`LIMIT`].
    pub(crate) fn append(&mut self, bytes: &[u8]) -> io::Result<()> {
        if self.length + bytes.len() as u64 > LIMIT {
            self.drop_older_half()?;
        }
        self.file.write_all(bytes)?;
        self.length += bytes.len() as u64;
        Ok(())
    }

    /// Moves the end to the front and truncates the file behind it.
    fn drop_older_half(&mut self) -> io::Result<()> {
        let mut end = Vec::new();
        self.file.seek(SeekFrom::Start(self.length.saturating_sub(RETAINED)))?;
        self.file.read_to_end(&mut end)?;
        self.file.rewind()?;
        self.file.write_all(&end)?;
        self.length = end.len() as u64;
        self.file.set_len(self.length)
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    #[test]
    fn an_endless_stream_keeps_its_end_in_a_bounded_file() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("log");
        let mut log = BoundedLog::create(&path).unwrap();
        let mut written = 0;
        for line in 0.. {
            if written > 5 * LIMIT {
                break;
            }
            let text = format!("{line:015}\n");
            log.append(text.as_bytes()).unwrap();
            written += 16;
            debug_assert!(log.length <= LIMIT);
        }
        let text = fs::read_to_string(&path).unwrap();
        assert!(text.len() as u64 <= LIMIT && text.len() as u64 >= RETAINED);
        let lines: Vec<u64> = text.lines().map(|line| line.parse().unwrap()).collect();
        assert_eq!(*lines.last().unwrap(), written / 16 - 1);
        assert!(lines.windows(2).all(|pair| pair[1] == pair[0] + 1));
    }
}
