//! The journal's files: the current one, and the one before it. Only whole records are appended, and the files are rotated between
//! two records. Called by `intake`.

use std::{
    fs::{self, File, OpenOptions},
    io::{self, Read as _, Write as _},
    path::{Path, PathBuf},
};

use boxlite_wire::{frame::Frame, limits::JOURNAL as JOURNAL_FILE};

/// The two files of one journal.
pub(super) struct JournalFiles {
    current: PathBuf,
    previous: PathBuf,
    file: File,
    length: u64,
}

impl JournalFiles {
    /// Opens the file at `path` for appending, and truncates it behind its last whole record: a killed shim may have left part of one.
    pub(super) fn open(path: &Path) -> io::Result<Self> {
        let mut file = open(path)?;
        let mut bytes = Vec::new();
        (&mut file).take(JOURNAL_FILE).read_to_end(&mut bytes)?;
        let length = Frame::whole(&bytes) as u64;
        file.set_len(length)?;
        let mut previous = path.as_os_str().to_owned();
        previous.push(".1");
        Ok(Self { current: path.to_owned(), previous: previous.into(), file, length })
    }

    /// Appends whole `records`, which must be far smaller than a file. Fails, and appends nothing, if the host's disk is full.
    pub(super) fn append(&mut self, records: &[u8]) -> io::Result<()> {
        if self.length + records.len() as u64 > JOURNAL_FILE {
            self.rotate()?;
        }
        let written = self.file.write_all(records);
        match written {
            Ok(()) => self.length += records.len() as u64,
            // The next record must not follow a part of this one.
            Err(_) => self.file.set_len(self.length)?,
        }
        written
    }

    fn rotate(&mut self) -> io::Result<()> {
        fs::rename(&self.current, &self.previous)?;
        self.file = open(&self.current)?;
        self.length = 0;
        Ok(())
    }
}

fn open(path: &Path) -> io::Result<File> {
    OpenOptions::new().read(true).append(true).create(true).open(path)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A record of `length` bytes, after its length.
    fn record(length: usize) -> Vec<u8> {
        let mut bytes = vec![u8::try_from(length & 0x7f | 0x80).unwrap(), u8::try_from(length >> 7).unwrap()];
        bytes.resize(2 + length, b'x');
        bytes
    }

    #[test]
    fn an_endless_journal_keeps_its_end_in_two_bounded_files() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("main.log");
        let mut files = JournalFiles::open(&path).unwrap();
        let record = record(10_000);
        for _ in 0..3 * JOURNAL_FILE / 10_002 {
            files.append(&record).unwrap();
        }
        let (current, previous) = (fs::read(&path).unwrap(), fs::read(&files.previous).unwrap());
        for bytes in [&current, &previous] {
            assert!(bytes.len() as u64 <= JOURNAL_FILE && !bytes.is_empty());
            assert_eq!(Frame::whole(bytes), bytes.len());
        }
        assert!(previous.len() as u64 > JOURNAL_FILE - 10_002);
    }

    #[test]
    fn a_torn_end_is_cut_off_and_appending_goes_on() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("main.log");
        let whole = record(300);
        for torn in [1, 2, 3, 301] {
            fs::write(&path, [&whole[..], &whole[..torn]].concat()).unwrap();
            let mut files = JournalFiles::open(&path).unwrap();
            files.append(&whole).unwrap();
            assert_eq!(fs::read(&path).unwrap(), [&whole[..], &whole].concat(), "{torn}");
        }
    }

    #[test]
    fn content_that_is_no_journal_is_cut_off_too() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("main.log");
        fs::write(&path, vec![0xff; 20 << 20]).unwrap();
        JournalFiles::open(&path).unwrap().append(&record(200)).unwrap();
        assert_eq!(fs::metadata(&path).unwrap().len(), 202);
    }
}
