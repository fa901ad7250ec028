//! One file of the journal, read along its records from wherever the last look ended. Opened by `reader`.

use std::{
    fs::File,
    io,
    os::unix::fs::{FileExt as _, MetadataExt as _},
    path::Path,
};

use boxlite_wire::{frame::Frame, limits};

use crate::state::journal::entry::JournalRecord;

/// Bytes of one look; several of the largest records.
const LOOK: usize = 4 * limits::JOURNAL_RECORD;

/// An open file and how far it was read.
#[derive(Debug)]
pub(super) struct JournalFile {
    file: File,
    offset: u64,
    /// Which file it is, whatever it is called by now.
    pub(super) inode: u64,
}

impl JournalFile {
    /// `None`: there is no such file.
    pub(super) fn open(path: &Path) -> io::Result<Option<Self>> {
        let file = match File::open(path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            opened => opened?,
        };
        let inode = file.metadata()?.ino();
        Ok(Some(Self { file, offset: 0, inode }))
    }

    /// The next whole records, some at a time; none at the end.
    ///
    /// Bytes behind the last whole record are read again the next time: a shim that was killed in the middle of one leaves
    /// them, and the next shim cuts them off. Where no record can begin the file is as good as ended.
    pub(super) fn read(&mut self) -> io::Result<Vec<JournalRecord>> {
        let mut records = Vec::new();
        while records.is_empty() {
            let bytes = self.look()?;
            let whole = Frame::whole(&bytes);
            if whole == 0 {
                break;
            }
            let mut rest = bytes.get(..whole).unwrap_or_default();
            while let Frame::Whole(head, length) = Frame::first(rest) {
                records.extend(rest.get(head..head + length).and_then(JournalRecord::decode));
                rest = rest.get(head + length..).unwrap_or_default();
            }
            self.offset += whole as u64;
        }
        Ok(records)
    }

    fn look(&self) -> io::Result<Vec<u8>> {
        let mut bytes = vec![0; LOOK];
        let mut filled = 0;
        while let Some(room) = bytes.get_mut(filled..).filter(|room| !room.is_empty()) {
            match self.file.read_at(room, self.offset + filled as u64) {
                Ok(0) => break,
                Ok(count) => filled += count,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        bytes.truncate(filled);
        Ok(bytes)
    }
}
