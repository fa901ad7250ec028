//! `NativeOpenFile`: an open file in a box. Made by `NativeFiles::open`, wrapped by `lib/file-handle.ts`.

use boxlite_runtime::OpenFile;
use bytes::Bytes;
use napi::bindgen_prelude::Buffer;
use napi_derive::napi;

use crate::{
    answer::{Answer, answer, answer_while_there},
    file_options::{ReadInput, WriteInput, nanoseconds, owner, unsigned},
    file_reader::NativeFileReader,
    file_stat::Stat,
    file_writer::NativeFileWriter,
};

/// An open file.
#[napi]
pub struct NativeOpenFile(OpenFile);

impl From<OpenFile> for NativeOpenFile {
    fn from(file: OpenFile) -> Self {
        Self(file)
    }
}

#[napi]
impl NativeOpenFile {
    /// The number of the open file in the box.
    #[napi(getter)]
    pub fn fd(&self) -> i64 {
        self.0.handle().cast_signed()
    }

    /// The file's attributes.
    #[napi]
    pub fn stat(&self, exact: bool) -> Answer {
        answer(&self.0, async move |file| Ok(Stat::of(file.stat().await?, exact)))
    }

    /// Makes the file so many bytes long.
    #[napi]
    pub fn truncate(&self, length: i64) -> Answer {
        answer(&self.0, async move |file| file.truncate(length.cast_unsigned()).await)
    }

    /// Changes permissions.
    #[napi]
    pub fn chmod(&self, mode: u32) -> Answer {
        answer(&self.0, async move |file| file.chmod(mode).await)
    }

    /// Changes the owner.
    #[napi]
    pub fn chown(&self, uid: u32, gid: u32) -> Answer {
        answer(&self.0, async move |file| file.chown(owner(uid), owner(gid)).await)
    }

    /// Sets access and modification time.
    #[napi(js_name = "utimes")]
    pub fn set_times(&self, atime_ms: f64, mtime_ms: f64) -> Answer {
        answer(&self.0, async move |file| file.set_times(nanoseconds(atime_ms), nanoseconds(mtime_ms)).await)
    }

    /// Brings data, and unless `data_only` attributes, to the box's disk.
    #[napi]
    pub fn sync(&self, data_only: bool) -> Answer {
        answer(&self.0, async move |file| file.sync(data_only).await)
    }

    /// Closes the file.
    #[napi]
    pub fn close(&self) -> Answer {
        answer(&self.0, async move |file| file.close().await)
    }

    /// Reads the file as a stream.
    #[napi]
    pub fn read(&self, options: ReadInput) -> Answer {
        answer(&self.0, async move |file| file.read_stream(options.into()).await.map(NativeFileReader::from))
    }

    /// Writes the file as a stream.
    #[napi]
    pub fn write(&self, options: WriteInput) -> Answer {
        answer(&self.0, async move |file| file.write_stream(options.into()).await.map(NativeFileWriter::from))
    }

    /// Reads `length` bytes at `offset`, or at the current position.
    #[napi]
    pub fn read_at(&self, length: i64, offset: Option<i64>) -> Answer {
        answer(&self.0, async move |file| {
            file.read_at(unsigned(offset), usize::try_from(length).unwrap_or(0)).await.map(Buffer::from)
        })
    }

    /// Writes all of `data` at `offset`, or at the current position.
    #[napi]
    pub fn write_at(&self, data: &[u8], offset: Option<i64>) -> Answer {
        // Copied, since the caller may write to its memory while this goes on.
        let data = Bytes::copy_from_slice(data);
        answer(&self.0, async move |file| file.write_at(unsigned(offset), data).await)
    }

    /// Reads the rest of the file, at most `max` bytes.
    #[napi]
    pub fn read_file(&self, max: u32) -> Answer {
        answer_while_there(&self.0, async move |file| file.read(max as usize).await.map(Buffer::from))
    }

    /// Writes all of `data` at the current position.
    #[napi]
    pub fn write_file(&self, data: &[u8], flush: bool) -> Answer {
        let data = Bytes::copy_from_slice(data);
        answer_while_there(&self.0, async move |file| file.write(data, flush).await)
    }
}
