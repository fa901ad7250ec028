//! `OpenFile`: an open file in a box, and `Files::open`, which makes one.

use std::path::Path;

use boxlite_error::BoxliteResult;
use boxlite_portal::{FileCall, FileStat, FileTarget, ReadOptions, WriteOptions};
use boxlite_wire::limits;
use bytes::Bytes;

use crate::litebox::{
    append::append,
    files::{stream::FileStream, verbs::Files, writer::FileWriter},
};

/// An open file in a box. It stays open until [`close`](Self::close) or the end of the machine, whether or not this value is
/// dropped; a box holds at most 4096 open for its host. Each method fails with `EBADF` once it is closed. Clones share the file.
#[derive(Debug, Clone)]
pub struct OpenFile {
    files: Files,
    handle: u64,
}

impl Files {
    /// Opens a file with flags of [`open_flags`](boxlite_portal::open_flags); `mode` are the permissions of a new one, less the umask
    /// of `0o022`.
    ///
    /// # Errors
    ///
    /// A `FileFault` of `open`.
    pub async fn open(&self, path: impl AsRef<Path>, flags: u32, mode: u32) -> BoxliteResult<OpenFile> {
        let handle = self.call(FileCall::open(path.as_ref(), flags, mode)).await?;
        Ok(OpenFile { files: self.clone(), handle })
    }
}

impl OpenFile {
    fn target(&self) -> FileTarget {
        FileTarget::Handle(self.handle)
    }

    /// The number of the open file in the box.
    pub fn handle(&self) -> u64 {
        self.handle
    }

    /// The file's attributes.
    ///
    /// # Errors
    ///
    /// A `FileFault` of `fstat`.
    pub async fn stat(&self) -> BoxliteResult<FileStat> {
        self.files.call(FileCall::stat(self.target(), false)).await
    }

    /// Reads `length` bytes at `offset`, or at the current position, which moves. Fewer come only at the end of the file.
    ///
    /// # Errors
    ///
    /// A `FileFault` of `read`.
    pub async fn read_at(&self, offset: Option<u64>, length: usize) -> BoxliteResult<Vec<u8>> {
        let mut data = Vec::new();
        loop {
            let wanted = (length - data.len()).min(limits::FILE_CHUNK);
            let at = offset.map(|offset| offset + data.len() as u64);
            let chunk = self.files.call(FileCall::read_at(self.target(), wanted as u64, at)).await?;
            let last = chunk.len() < wanted;
            append(&mut data, chunk, length);
            if last || data.len() >= length {
                return Ok(data);
            }
        }
    }

    /// Writes all of `data` at `offset`, or at the current position, which moves.
    ///
    /// # Errors
    ///
    /// A `FileFault` of `write`; a part may have been written.
    pub async fn write_at(&self, offset: Option<u64>, mut data: Bytes) -> BoxliteResult<()> {
        let mut at = offset;
        while !data.is_empty() {
            let chunk = data.split_to(data.len().min(limits::FILE_CHUNK));
            let length = chunk.len() as u64;
            self.files.call(FileCall::write_at(self.target(), chunk, at)).await?;
            at = at.map(|at| at + length);
        }
        Ok(())
    }

    /// Reads the rest of the file, from the current position on, at most `max` bytes.
    ///
    /// # Errors
    ///
    /// A `FileFault` of `read`; `EFBIG` for a file that has more than `max` bytes left.
    pub async fn read(&self, max: usize) -> BoxliteResult<Vec<u8>> {
        self.files.read_target(self.target(), ReadOptions::default(), max).await
    }

    /// Writes all of `data` at the current position; with `flush`, brings it to the box's disk.
    ///
    /// # Errors
    ///
    /// A `FileFault` of `write` or `fsync`; a part may have been written.
    pub async fn write(&self, data: impl Into<Bytes>, flush: bool) -> BoxliteResult<()> {
        let options = WriteOptions { flush, ..WriteOptions::default() };
        self.files.write_target(self.target(), data.into(), options).await
    }

    /// Reads the file as a stream. Flags and mode of the options mean nothing here.
    ///
    /// # Errors
    ///
    /// A `FileFault` of `read`, if the options wait for the file to be open; otherwise the first chunk returns it.
    pub async fn read_stream(&self, options: ReadOptions) -> BoxliteResult<FileStream<Bytes>> {
        self.files.stream_target(self.target(), options).await
    }

    /// Writes the file as a stream. Flags and mode of the options mean nothing here.
    ///
    /// # Errors
    ///
    /// Those of starting the box.
    pub async fn write_stream(&self, options: WriteOptions) -> BoxliteResult<FileWriter> {
        self.files.writer(self.target(), options).await
    }

    /// Makes the file `length` bytes long.
    ///
    /// # Errors
    ///
    /// A `FileFault` of `ftruncate`.
    pub async fn truncate(&self, length: u64) -> BoxliteResult<()> {
        self.files.call(FileCall::truncate(self.target(), length)).await
    }

    /// Changes the permissions.
    ///
    /// # Errors
    ///
    /// A `FileFault` of `fchmod`.
    pub async fn chmod(&self, mode: u32) -> BoxliteResult<()> {
        self.files.call(FileCall::chmod(self.target(), mode)).await
    }

    /// Changes the owner; `None` leaves the user or the group as it is.
    ///
    /// # Errors
    ///
    /// A `FileFault` of `fchown`.
    pub async fn chown(&self, uid: Option<u32>, gid: Option<u32>) -> BoxliteResult<()> {
        self.files.call(FileCall::chown(self.target(), uid, gid, false)).await
    }

    /// Sets access and modification time, in nanoseconds since the Unix epoch.
    ///
    /// # Errors
    ///
    /// A `FileFault` of `futime`.
    pub async fn set_times(&self, atime_ns: i64, mtime_ns: i64) -> BoxliteResult<()> {
        self.files.call(FileCall::set_times(self.target(), atime_ns, mtime_ns, false)).await
    }

    /// Brings the data, and unless `data_only` the attributes, to the box's disk.
    ///
    /// # Errors
    ///
    /// A `FileFault` of `fsync` or `fdatasync`.
    pub async fn sync(&self, data_only: bool) -> BoxliteResult<()> {
        self.files.call(FileCall::sync(self.target(), data_only)).await
    }

    /// Closes the file.
    ///
    /// # Errors
    ///
    /// A `FileFault` of `close`.
    pub async fn close(&self) -> BoxliteResult<()> {
        self.files.call(FileCall::close(self.target())).await
    }
}
