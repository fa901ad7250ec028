//! `NativeOpenFile`: an open file in a box. Made by `NativeFiles::open`, wrapped by `lib/file-handle.ts`.

use boxlite_runtime::OpenFile;
use bytes::Bytes;
use napi::{
    Env, Result,
    bindgen_prelude::{Buffer, Object},
};
use napi_derive::napi;

use crate::{
    file_options::{ReadInput, WriteInput, nanoseconds, owner, unsigned},
    file_reader::NativeFileReader,
    file_stat::Stat,
    file_writer::NativeFileWriter,
    promise::{promise, promise_while_there},
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
    pub fn stat<'env>(&self, env: &'env Env, exact: bool) -> Result<Object<'env>> {
        let file = self.0.clone();
        promise(env, async move { Ok(Stat::of(file.stat().await?, exact)) })
    }

    /// Makes the file so many bytes long.
    #[napi]
    pub fn truncate<'env>(&self, env: &'env Env, length: i64) -> Result<Object<'env>> {
        let file = self.0.clone();
        promise(env, async move { file.truncate(length.cast_unsigned()).await })
    }

    /// Changes permissions.
    #[napi]
    pub fn chmod<'env>(&self, env: &'env Env, mode: u32) -> Result<Object<'env>> {
        let file = self.0.clone();
        promise(env, async move { file.chmod(mode).await })
    }

    /// Changes the owner.
    #[napi]
    pub fn chown<'env>(&self, env: &'env Env, uid: u32, gid: u32) -> Result<Object<'env>> {
        let file = self.0.clone();
        promise(env, async move { file.chown(owner(uid), owner(gid)).await })
    }

    /// Sets access and modification time.
    #[napi(js_name = "utimes")]
    pub fn set_times<'env>(&self, env: &'env Env, atime_ms: f64, mtime_ms: f64) -> Result<Object<'env>> {
        let file = self.0.clone();
        promise(env, async move { file.set_times(nanoseconds(atime_ms), nanoseconds(mtime_ms)).await })
    }

    /// Brings data, and unless `data_only` attributes, to the box's disk.
    #[napi]
    pub fn sync<'env>(&self, env: &'env Env, data_only: bool) -> Result<Object<'env>> {
        let file = self.0.clone();
        promise(env, async move { file.sync(data_only).await })
    }

    /// Closes the file.
    #[napi]
    pub fn close<'env>(&self, env: &'env Env) -> Result<Object<'env>> {
        let file = self.0.clone();
        promise(env, async move { file.close().await })
    }

    /// Reads the file as a stream.
    #[napi]
    pub fn read<'env>(&self, env: &'env Env, options: ReadInput) -> Result<Object<'env>> {
        let file = self.0.clone();
        promise(env, async move { file.read_stream(options.into()).await.map(NativeFileReader::from) })
    }

    /// Writes the file as a stream.
    #[napi]
    pub fn write<'env>(&self, env: &'env Env, options: WriteInput) -> Result<Object<'env>> {
        let file = self.0.clone();
        promise(env, async move { file.write_stream(options.into()).await.map(NativeFileWriter::from) })
    }

    /// Reads `length` bytes at `offset`, or at the current position.
    #[napi]
    pub fn read_at<'env>(&self, env: &'env Env, length: i64, offset: Option<i64>) -> Result<Object<'env>> {
        let file = self.0.clone();
        promise(env, async move {
            file.read_at(unsigned(offset), usize::try_from(length).unwrap_or(0)).await.map(Buffer::from)
        })
    }

    /// Writes all of `data` at `offset`, or at the current position.
    #[napi]
    pub fn write_at<'env>(&self, env: &'env Env, data: &[u8], offset: Option<i64>) -> Result<Object<'env>> {
        // Copied, since the caller may write to its memory while this goes on.
        let (file, data) = (self.0.clone(), Bytes::copy_from_slice(data));
        promise(env, async move { file.write_at(unsigned(offset), data).await })
    }

    /// Reads the rest of the file, at most `max` bytes.
    #[napi]
    pub fn read_file<'env>(&self, env: &'env Env, max: u32) -> Result<Object<'env>> {
        let file = self.0.clone();
        promise_while_there(env, async move { file.read(max as usize).await.map(Buffer::from) })
    }

    /// Writes all of `data` at the current position.
    #[napi]
    pub fn write_file<'env>(&self, env: &'env Env, data: &[u8], flush: bool) -> Result<Object<'env>> {
        let (file, data) = (self.0.clone(), Bytes::copy_from_slice(data));
        promise_while_there(env, async move { file.write(data, flush).await })
    }
}
