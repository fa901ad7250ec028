//! `NativeFiles`: the files of a box. Wrapped by `lib/fs.ts` and `lib/copy.ts`, calls `Files`; the streams are `file_stream`'s.

use std::sync::Arc;

use boxlite_runtime::{
    BoxliteError, BoxliteResult, CopyBound, DirectoryEntry, FileAnswer, FileOperation, FileReadRequest,
    FileRequest, FileStat, FileWriteRequest, Files, Meter,
};
use bytes::Bytes;
use napi::{
    Env, Result,
    bindgen_prelude::{Buffer, Object},
};
use napi_derive::napi;

use crate::{
    file_stream::{NativeArchiveWriter, NativeCopy, NativeFileReader, NativeFileWriter, NativeWatcher},
    promise::promise,
};

/// The files of a box.
#[napi]
pub struct NativeFiles(Files);

impl From<Files> for NativeFiles {
    fn from(files: Files) -> Self {
        Self(files)
    }
}

/// One operation; which fields it reads is written in `files.proto`.
#[napi(object, object_to_js = false)]
#[derive(Default)]
pub struct FileInput {
    /// The operation's name: `STAT`.
    pub operation: String,
    /// What it is about.
    pub path: Option<String>,
    /// The other path.
    pub to: Option<String>,
    /// An open file.
    pub handle: Option<i64>,
    /// Permissions.
    pub mode: Option<u32>,
    /// Linux's flags of open(2).
    pub flags: Option<u32>,
    /// User; absent leaves it.
    pub uid: Option<u32>,
    /// Group; absent leaves it.
    pub gid: Option<u32>,
    /// Milliseconds since the epoch.
    pub atime_ms: Option<f64>,
    /// Milliseconds since the epoch.
    pub mtime_ms: Option<f64>,
    /// A position in the file.
    pub offset: Option<i64>,
    /// Bytes.
    pub length: Option<i64>,
    /// Bytes to write.
    pub data: Option<Buffer>,
    /// See `files.proto`.
    pub recursive: Option<bool>,
    /// See `files.proto`.
    pub force: Option<bool>,
    /// See `files.proto`.
    pub follow: Option<bool>,
    /// See `files.proto`.
    pub exclusive: Option<bool>,
    /// See `files.proto`.
    pub preserve: Option<bool>,
    /// See `files.proto`.
    pub data_only: Option<bool>,
}

/// What an operation answers.
#[napi(object, object_from_js = false)]
pub struct FileOutput {
    /// Of `STAT`.
    pub stat: Option<Stat>,
    /// Of operations that find or make a path.
    pub path: Option<String>,
    /// Of `OPEN`.
    pub handle: i64,
    /// Of `READ_AT`.
    pub data: Buffer,
    /// Of `WRITE_AT`.
    pub count: i64,
}

/// What a file is like. Numbers are what JavaScript has: exact up to 2^53.
#[napi(object, object_from_js = false)]
#[allow(missing_docs, reason = "the names are stat(2)'s")]
pub struct Stat {
    pub dev: f64,
    pub ino: f64,
    pub mode: u32,
    pub nlink: f64,
    pub uid: u32,
    pub gid: u32,
    pub rdev: f64,
    pub size: f64,
    pub blksize: f64,
    pub blocks: f64,
    pub atime_ms: f64,
    pub mtime_ms: f64,
    pub ctime_ms: f64,
    pub birthtime_ms: f64,
}

/// An entry of a directory.
#[napi(object, object_from_js = false)]
pub struct Entry {
    /// Below the directory.
    pub name: String,
    /// The file type bits of its mode.
    pub kind: u32,
}

impl TryFrom<FileInput> for FileRequest {
    type Error = BoxliteError;

    fn try_from(input: FileInput) -> BoxliteResult<Self> {
        let operation = FileOperation::from_str_name(&input.operation)
            .ok_or_else(|| BoxliteError::invalid(format!("file operation {:?}: unknown", input.operation)))?;
        Ok(Self {
            operation: operation.into(),
            path: path(input.path),
            to: path(input.to),
            handle: unsigned(input.handle).unwrap_or(0),
            mode: input.mode.unwrap_or(0),
            flags: input.flags.unwrap_or(0),
            uid: input.uid.unwrap_or(u32::MAX),
            gid: input.gid.unwrap_or(u32::MAX),
            atime_ns: nanoseconds(input.atime_ms),
            mtime_ns: nanoseconds(input.mtime_ms),
            offset: unsigned(input.offset),
            length: unsigned(input.length).unwrap_or(0),
            // Copied, since the caller may reuse its buffer as soon as the promise resolves.
            data: input.data.map(|data| Bytes::copy_from_slice(&data)).unwrap_or_default(),
            recursive: input.recursive.unwrap_or(false),
            force: input.force.unwrap_or(false),
            follow: input.follow.unwrap_or(false),
            exclusive: input.exclusive.unwrap_or(false),
            preserve: input.preserve.unwrap_or(false),
            data_only: input.data_only.unwrap_or(false),
        })
    }
}

#[napi]
impl NativeFiles {
    /// Performs one operation.
    #[napi]
    pub fn call<'env>(&self, env: &'env Env, input: FileInput) -> Result<Object<'env>> {
        let (files, request) = (self.0.clone(), FileRequest::try_from(input));
        promise(env, async move { Ok(FileOutput::from(files.call(request?).await?)) })
    }

    /// The entries of a directory.
    #[napi]
    pub fn read_directory<'env>(
        &self,
        env: &'env Env,
        path: String,
        recursive: bool,
    ) -> Result<Object<'env>> {
        let files = self.0.clone();
        let request = FileRequest { path: path.into(), recursive, ..FileRequest::default() };
        promise(env, async move {
            Ok(files.read_directory(request).await?.into_iter().map(Entry::from).collect::<Vec<_>>())
        })
    }

    /// Reads a file as a stream.
    #[napi]
    pub fn read<'env>(&self, env: &'env Env, input: FileInput) -> Result<Object<'env>> {
        let files = self.0.clone();
        let request = FileReadRequest {
            path: path(input.path),
            handle: unsigned(input.handle).unwrap_or(0),
            offset: unsigned(input.offset),
            length: unsigned(input.length),
        };
        promise(env, async move { files.read(request).await.map(NativeFileReader::from) })
    }

    /// Writes a file as a stream.
    #[napi]
    pub fn write<'env>(&self, env: &'env Env, input: FileInput) -> Result<Object<'env>> {
        let files = self.0.clone();
        let request = FileWriteRequest {
            path: path(input.path),
            handle: unsigned(input.handle).unwrap_or(0),
            flags: input.flags.unwrap_or(0),
            mode: input.mode.unwrap_or(0),
            offset: unsigned(input.offset),
            data: Bytes::new(),
        };
        promise(env, async move { files.write(request).await.map(NativeFileWriter::from) })
    }

    /// Watches a file, a directory or a tree.
    #[napi]
    pub fn watch<'env>(&self, env: &'env Env, path: String, recursive: bool) -> Result<Object<'env>> {
        // Called here and not in the promise: what the program asks for next comes after it.
        let standing = self.0.watch(FileRequest { path: path.into(), recursive, ..FileRequest::default() });
        promise(env, async move { standing.await.map(NativeWatcher::from) })
    }

    /// Copies from the host.
    #[napi]
    pub fn copy_in(&self, from: String, to: String) -> NativeCopy {
        let (files, meter) = (self.0.clone(), Arc::new(Meter::default()));
        let counted = Arc::clone(&meter);
        NativeCopy::new(meter, async move { files.copy_in(from.into(), to.into(), counted).await })
    }

    /// Copies to the host.
    #[napi]
    pub fn copy_out(
        &self,
        from: String,
        to: String,
        max_bytes: Option<i64>,
        max_entries: Option<i64>,
    ) -> NativeCopy {
        let (files, meter) = (self.0.clone(), Arc::new(Meter::default()));
        let counted = Arc::clone(&meter);
        let bound = CopyBound { bytes: unsigned(max_bytes), entries: unsigned(max_entries) };
        NativeCopy::new(meter, async move { files.copy_out(from.into(), to.into(), bound, counted).await })
    }

    /// Packs a tree as a tar stream.
    #[napi]
    pub fn pack_out<'env>(&self, env: &'env Env, from: String) -> Result<Object<'env>> {
        let files = self.0.clone();
        promise(
            env,
            async move { files.pack_out(from.into(), Bytes::new()).await.map(NativeFileReader::from) },
        )
    }

    /// Unpacks a tar stream.
    #[napi]
    pub fn unpack_in<'env>(&self, env: &'env Env, to: String) -> Result<Object<'env>> {
        let files = self.0.clone();
        promise(env, async move { files.unpack_in(to.into()).await.map(NativeArchiveWriter::from) })
    }
}

impl From<FileAnswer> for FileOutput {
    fn from(answer: FileAnswer) -> Self {
        Self {
            stat: answer.stat.map(Stat::from),
            path: Some(answer.path).filter(|path| !path.is_empty()).map(|path| lossy(&path)),
            handle: answer.handle.cast_signed(),
            data: Vec::from(answer.data).into(),
            count: answer.count.cast_signed(),
        }
    }
}

impl From<DirectoryEntry> for Entry {
    fn from(entry: DirectoryEntry) -> Self {
        Self { name: lossy(&entry.name), kind: entry.r#type }
    }
}

#[allow(clippy::cast_precision_loss, reason = "JavaScript's numbers, as in Node's Stats")]
impl From<FileStat> for Stat {
    fn from(stat: FileStat) -> Self {
        let ms = |ns: i64| ns as f64 / 1e6;
        Self {
            dev: stat.dev as f64,
            ino: stat.ino as f64,
            mode: stat.mode,
            nlink: stat.nlink as f64,
            uid: stat.uid,
            gid: stat.gid,
            rdev: stat.rdev as f64,
            size: stat.size as f64,
            blksize: stat.block_size as f64,
            blocks: stat.blocks as f64,
            atime_ms: ms(stat.atime_ns),
            mtime_ms: ms(stat.mtime_ns),
            ctime_ms: ms(stat.ctime_ns),
            birthtime_ms: ms(stat.birthtime_ns),
        }
    }
}

/// Names that are not UTF-8 arrive as Node gives them: with replacement characters.
pub(crate) fn lossy(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

fn path(path: Option<String>) -> Bytes {
    path.map(Bytes::from).unwrap_or_default()
}

fn unsigned(value: Option<i64>) -> Option<u64> {
    value.and_then(|value| value.try_into().ok())
}

#[allow(clippy::cast_possible_truncation, reason = "a float saturates")]
fn nanoseconds(ms: Option<f64>) -> i64 {
    // Milliseconds apart from their fraction: together they don't fit in a float's 53 bits.
    let ms = ms.unwrap_or(0.0);
    let whole = ms.floor();
    (whole as i64).saturating_mul(1_000_000).saturating_add(((ms - whole) * 1e6).round() as i64)
}
