//! `ConsoleReader`: reads a box's console file while the shim appends to it. Used by `logs`.

use std::{
    fs::File,
    io::{self, Read, Seek, SeekFrom},
    path::PathBuf,
    time::Duration,
};

use boxlite_error::{BoxliteError, BoxliteResult};
use bytes::Bytes;
use tokio::time::sleep;

/// Most bytes of one chunk.
const PIECE: u64 = 64 * 1024;
/// The size after a full file was cut: its later half is moved to the front (`src/vmm/bounded_log.rs`).
const CUT_BYTES: u64 = 512 * 1024;
/// The interval at which an idle console is polled.
const PAUSE: Duration = Duration::from_millis(100);

/// A position in a console.
#[derive(Debug)]
pub(in crate::litebox) struct ConsoleReader {
    path: PathBuf,
    at: u64,
}

impl ConsoleReader {
    pub(in crate::litebox) fn new(path: PathBuf) -> Self {
        Self { path, at: 0 }
    }

    /// Returns the next chunk, if there is one now. It blocks, but the file is small, local and in the host's cache.
    pub(in crate::litebox) fn read(&mut self) -> BoxliteResult<Option<Bytes>> {
        self.step().map_err(|error| BoxliteError::io("read console", &self.path, error))
    }

    /// Waits for the next chunk. It is cancel safe.
    pub(in crate::litebox) async fn more(&mut self) -> BoxliteResult<Bytes> {
        loop {
            if let Some(piece) = self.read()? {
                return Ok(piece);
            }
            sleep(PAUSE).await;
        }
    }

    fn step(&mut self) -> io::Result<Option<Bytes>> {
        let mut file = match File::open(&self.path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            file => file?,
        };
        let length = file.metadata()?.len();
        if length < self.at {
            // The file was full and got cut, or a new start of the box truncated it.
            self.at = if length >= CUT_BYTES { CUT_BYTES } else { 0 };
        }
        file.seek(SeekFrom::Start(self.at))?;
        let mut piece = Vec::new();
        self.at += file.take(PIECE).read_to_end(&mut piece)? as u64;
        Ok((!piece.is_empty()).then(|| piece.into()))
    }
}

#[cfg(test)]
mod tests {
    use std::{fs, io::Write};

    use super::*;

    #[tokio::test]
    async fn it_goes_on_where_it_was_also_after_a_cut_and_a_new_start() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("console.log");
        let mut reader = ConsoleReader::new(path.clone());
        assert_eq!(reader.read().unwrap(), None);
        fs::write(&path, "one\n").unwrap();
        assert_eq!(reader.more().await.unwrap(), "one\n");
        File::options().append(true).open(&path).unwrap().write_all(b"two\n").unwrap();
        assert_eq!(reader.read().unwrap().unwrap(), "two\n");
        assert_eq!(reader.read().unwrap(), None);
        fs::write(&path, "new\n").unwrap();
        assert_eq!(reader.read().unwrap().unwrap(), "new\n");
        reader.at = 2 * CUT_BYTES;
        fs::write(&path, vec![b'x'; usize::try_from(CUT_BYTES).unwrap() + 3]).unwrap();
        assert_eq!(reader.read().unwrap().unwrap(), "xxx");
    }
}
