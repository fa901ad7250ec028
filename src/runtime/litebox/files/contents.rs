//! Contents of files: whole, in one call, or as streams. `OpenFile` reads and writes through this, too.

use std::{path::Path, pin::pin};

use boxlite_error::{BoxliteError, BoxliteResult, FileFault};
use boxlite_portal::{FileTarget, ReadOptions, WriteOptions};
use boxlite_wire::limits;
use bytes::Bytes;
use nix::errno::Errno;

use crate::litebox::{
    append::append,
    files::{stream::FileStream, verbs::Files, writer::FileWriter},
};

impl Files {
    /// Reads a whole file, of at most `max` bytes.
    ///
    /// # Errors
    ///
    /// A `FileFault` of `open` or `read`; `EFBIG` for a file of more than `max` bytes.
    pub async fn read(
        &self,
        path: impl AsRef<Path>,
        options: ReadOptions,
        max: usize,
    ) -> BoxliteResult<Vec<u8>> {
        self.read_target(path.as_ref().into(), options, max).await
    }

    /// Reads a file as a stream.
    ///
    /// # Errors
    ///
    /// A `FileFault` of `open`, if the options wait for the file to be open; otherwise the first chunk returns it.
    pub async fn read_stream(
        &self,
        path: impl AsRef<Path>,
        options: ReadOptions,
    ) -> BoxliteResult<FileStream<Bytes>> {
        self.stream_target(path.as_ref().into(), options).await
    }

    /// Writes a whole file.
    ///
    /// # Errors
    ///
    /// A `FileFault` of `open`, `write` or `fsync`; a part may have been written.
    pub async fn write(
        &self,
        path: impl AsRef<Path>,
        data: impl Into<Bytes>,
        options: WriteOptions,
    ) -> BoxliteResult<()> {
        self.write_target(path.as_ref().into(), data.into(), options).await
    }

    /// Writes a file as a stream. That the file can't be opened is an error of the writer.
    ///
    /// # Errors
    ///
    /// Those of [`LiteBox::start`](crate::LiteBox::start).
    pub async fn write_stream(
        &self,
        path: impl AsRef<Path>,
        options: WriteOptions,
    ) -> BoxliteResult<FileWriter> {
        self.writer(path.as_ref().into(), options).await
    }

    pub(super) async fn read_target(
        &self,
        target: FileTarget,
        options: ReadOptions,
        max: usize,
    ) -> BoxliteResult<Vec<u8>> {
        let chunks = self.stream_target(target, options).await?;
        let mut data = Vec::new();
        while let Some(chunk) = chunks.next().await? {
            if !append(&mut data, chunk, max) {
                return Err(too_large());
            }
        }
        data.shrink_to_fit();
        Ok(data)
    }

    pub(super) async fn stream_target(
        &self,
        target: FileTarget,
        options: ReadOptions,
    ) -> BoxliteResult<FileStream<Bytes>> {
        let (machine, interface) = self.reach().await?;
        let chunks = self.core.explained(&machine, pin!(interface.read(target, options))).await?;
        Ok(FileStream::new(machine, chunks))
    }

    pub(super) async fn write_target(
        &self,
        target: FileTarget,
        data: Bytes,
        options: WriteOptions,
    ) -> BoxliteResult<()> {
        if data.len() <= limits::FILE_CHUNK {
            let (machine, interface) = self.reach().await?;
            let written = pin!(interface.write_whole(target, options, data));
            return self.core.explained(&machine, written).await;
        }
        let writer = self.writer(target, options).await?;
        writer.push(data).await?;
        writer.finish().await.map(drop)
    }

    pub(super) async fn writer(
        &self,
        target: FileTarget,
        options: WriteOptions,
    ) -> BoxliteResult<FileWriter> {
        let (machine, interface) = self.reach().await?;
        Ok(FileWriter::begin(machine, interface, target, options))
    }
}

fn too_large() -> BoxliteError {
    let (errno, syscall) = (Errno::EFBIG as i32, "read".to_owned());
    BoxliteError::of_file(FileFault { errno, syscall, path: None, dest: None, refusal: None })
        .hint("read it as a stream")
}
