//! One file of the journal, read along its records from wherever the last look ended. Opened by `reader`.

use std::{
    fs::File,
    io::{self, Read as _, Seek as _, SeekFrom},
    os::unix::fs::MetadataExt as _,
    path::Path,
};

use boxlite_durable::if_exists;
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
        let Some(file) = if_exists(File::open(path))? else { return Ok(None) };
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

    fn look(&mut self) -> io::Result<Vec<u8>> {
        let mut bytes = Vec::with_capacity(LOOK);
        self.file.seek(SeekFrom::Start(self.offset))?;
        self.file.by_ref().take(LOOK as u64).read_to_end(&mut bytes)?;
        Ok(bytes)
    }
}
