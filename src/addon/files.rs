//! `NativeFiles`: the files of a box. Wrapped by `lib/fs.ts` and `lib/copy.ts`, calls `Files`; the streams are `file_stream`'s.

use std::sync::Arc;

use boxlite_runtime::{
    BoxliteError, BoxliteResult, CopyFrom, CopyInto, DirectoryEntry, FileAnswer, FileOperation,
    FileReadRequest, FileRequest, FileStat, FileSystemStat, FileWriteRequest, Files, Meter,
};
use bytes::Bytes;
use napi::{
    Env, Result,
    bindgen_prelude::{BigInt, Buffer, Either, Object},
};
use napi_derive::napi;

use crate::{
    directory::NativeDirectory,
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
    pub path: Option<Name>,
    /// The other path.
    pub to: Option<Name>,
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
    /// An extended attribute.
    pub name: Option<String>,
    /// Bring what was written to the disk.
    pub flush: Option<bool>,
    /// Of a file that is read: resolve when it is open.
    pub opened: Option<bool>,
    /// Answer a path as its bytes.
    pub raw: Option<bool>,
    /// Answer `stat.exact` too.
    pub exact: Option<bool>,
    /// See `files.proto`.
    pub verbatim: Option<bool>,
    /// See `files.proto`.
    pub shallow: Option<bool>,
    /// Names in a folder.
    pub names: Option<Vec<String>>,
}

/// A path or a name: text, or its bytes where it is none.
pub(crate) type Name = Either<String, Buffer>;

/// What an operation answers.
#[napi(object, object_from_js = false)]
pub struct FileOutput {
    /// Of `STAT`.
    pub stat: Option<Stat>,
    /// Of `STAT_FS`.
    pub stat_fs: Option<StatFs>,
    /// Of operations that find or make a path.
    pub path: Option<Name>,
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
    /// Where it was asked for.
    pub exact: Option<ExactStat>,
}

/// Of a file, what may exceed JavaScript's numbers.
#[napi(object, object_from_js = false)]
#[allow(missing_docs, reason = "the names are stat(2)'s")]
pub struct ExactStat {
    pub dev: BigInt,
    pub ino: BigInt,
    pub rdev: BigInt,
    pub size: BigInt,
    pub blocks: BigInt,
    pub atime_ns: BigInt,
    pub mtime_ns: BigInt,
    pub ctime_ns: BigInt,
    pub birthtime_ns: BigInt,
}

/// How full a file system is.
#[napi(object, object_from_js = false)]
#[allow(missing_docs, reason = "the names are statfs(2)'s")]
pub struct StatFs {
    pub r#type: BigInt,
    pub bsize: BigInt,
    pub blocks: BigInt,
    pub bfree: BigInt,
    pub bavail: BigInt,
    pub files: BigInt,
    pub ffree: BigInt,
}

/// An entry of a directory.
#[napi(object, object_from_js = false)]
pub struct Entry {
    /// Below the directory.
    pub name: Name,
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
            name: input.name.map(Bytes::from).unwrap_or_default(),
            user: String::new(),
            verbatim: input.verbatim.unwrap_or(false),
            shallow: input.shallow.unwrap_or(false),
            names: input.names.unwrap_or_default().into_iter().map(Bytes::from).collect(),
        })
    }
}

#[napi]
impl NativeFiles {
    /// Performs one operation.
    #[napi]
    pub fn call<'env>(&self, env: &'env Env, input: FileInput) -> Result<Object<'env>> {
        let (raw, exact) = (input.raw.unwrap_or(false), input.exact.unwrap_or(false));
        let (files, request) = (self.0.clone(), FileRequest::try_from(input));
        promise(env, async move { Ok(FileOutput::of(files.call(request?).await?, raw, exact)) })
    }

    /// The same files for another user of the box.
    #[napi(js_name = "as")]
    pub fn as_user(&self, user: String) -> Self {
        Self(self.0.as_user(&user))
    }

    /// The entries of a directory.
    #[napi]
    pub fn read_directory<'env>(
        &self,
        env: &'env Env,
        path: Name,
        recursive: bool,
        raw: bool,
    ) -> Result<Object<'env>> {
        let files = self.0.clone();
        let request = FileRequest { path: bytes_of(path), recursive, ..FileRequest::default() };
        promise(env, async move { Ok(entries(files.read_directory(request).await?, raw)) })
    }

    /// Lists a directory piece by piece.
    #[napi]
    pub fn open_directory<'env>(
        &self,
        env: &'env Env,
        path: Name,
        recursive: bool,
        raw: bool,
    ) -> Result<Object<'env>> {
        let files = self.0.clone();
        let request = FileRequest { path: bytes_of(path), recursive, ..FileRequest::default() };
        promise(env, async move { Ok(NativeDirectory::new(files.open_directory(request).await?, raw)) })
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
            flags: input.flags.unwrap_or(0),
            mode: input.mode.unwrap_or(0),
            opened: input.opened.unwrap_or(false),
            user: String::new(),
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
            flush: input.flush.unwrap_or(false),
            user: String::new(),
            whole: false,
        };
        promise(env, async move { files.write(request).await.map(NativeFileWriter::from) })
    }

    /// Watches a file, a directory or a tree.
    #[napi]
    pub fn watch<'env>(
        &self,
        env: &'env Env,
        path: Name,
        recursive: bool,
        raw: bool,
    ) -> Result<Object<'env>> {
        // Called here and not in the promise: what the program asks for next comes after it.
        let request = FileRequest { path: bytes_of(path), recursive, ..FileRequest::default() };
        let standing = self.0.watch(request);
        promise(env, async move { Ok(NativeWatcher::new(standing.await?, raw)) })
    }

    /// Copies from the host.
    #[napi]
    pub fn copy_in(&self, from: String, to: String, options: CopyInput) -> NativeCopy {
        let (files, meter) = (self.0.clone(), Arc::new(Meter::default()));
        let counted = Arc::clone(&meter);
        let how = CopyInto::from(options);
        NativeCopy::new(meter, async move { files.copy_in(from.into(), to.into(), how, counted).await })
    }

    /// Copies to the host.
    #[napi]
    pub fn copy_out(&self, from: String, to: String, options: CopyInput) -> NativeCopy {
        let (files, meter) = (self.0.clone(), Arc::new(Meter::default()));
        let counted = Arc::clone(&meter);
        let how = CopyFrom {
            max_bytes: unsigned(options.max_bytes),
            max_entries: unsigned(options.max_entries),
            replace: options.replace.unwrap_or(false),
            xattrs: options.xattrs.unwrap_or(false),
        };
        NativeCopy::new(meter, async move { files.copy_out(from.into(), to.into(), how, counted).await })
    }

    /// Packs a tree as a tar stream.
    #[napi]
    pub fn pack_out<'env>(&self, env: &'env Env, from: String, options: CopyInput) -> Result<Object<'env>> {
        let (files, xattrs) = (self.0.clone(), options.xattrs.unwrap_or(false));
        promise(env, async move { files.pack_out(from.into(), xattrs).await.map(NativeFileReader::from) })
    }

    /// Unpacks a tar stream.
    #[napi]
    pub fn unpack_in<'env>(&self, env: &'env Env, to: String, options: CopyInput) -> Result<Object<'env>> {
        let (files, how) = (self.0.clone(), CopyInto::from(options));
        promise(env, async move { files.unpack_in(to.into(), how).await.map(NativeArchiveWriter::from) })
    }
}

/// How to copy; which fields count is the direction's.
#[napi(object, object_to_js = false)]
#[derive(Default)]
pub struct CopyInput {
    /// Whom the copy belongs to.
    pub owner: Option<String>,
    /// What is of another type gives way.
    pub replace: Option<bool>,
    /// With extended attributes.
    pub xattrs: Option<bool>,
    /// Most bytes.
    pub max_bytes: Option<i64>,
    /// Most entries.
    pub max_entries: Option<i64>,
}

impl From<CopyInput> for CopyInto {
    fn from(input: CopyInput) -> Self {
        Self {
            owner: input.owner,
            replace: input.replace.unwrap_or(false),
            xattrs: input.xattrs.unwrap_or(false),
        }
    }
}

impl FileOutput {
    fn of(answer: FileAnswer, raw: bool, exact: bool) -> Self {
        Self {
            stat: answer
                .stat
                .map(|stat| Stat { exact: exact.then(|| ExactStat::from(&stat)), ..stat.into() }),
            stat_fs: answer.file_system.map(StatFs::from),
            path: Some(answer.path).filter(|path| !path.is_empty()).map(|path| name_of(path, raw)),
            handle: answer.handle.cast_signed(),
            data: Vec::from(answer.data).into(),
            count: answer.count.cast_signed(),
        }
    }
}

/// Entries with their names as text, or as bytes.
pub(crate) fn entries(entries: Vec<DirectoryEntry>, raw: bool) -> Vec<Entry> {
    let named = |entry: DirectoryEntry| Entry { name: name_of(entry.name, raw), kind: entry.r#type };
    entries.into_iter().map(named).collect()
}

impl From<&FileStat> for ExactStat {
    fn from(stat: &FileStat) -> Self {
        Self {
            dev: stat.dev.into(),
            ino: stat.ino.into(),
            rdev: stat.rdev.into(),
            size: stat.size.into(),
            blocks: stat.blocks.into(),
            atime_ns: stat.atime_ns.into(),
            mtime_ns: stat.mtime_ns.into(),
            ctime_ns: stat.ctime_ns.into(),
            birthtime_ns: stat.birthtime_ns.into(),
        }
    }
}

impl From<FileSystemStat> for StatFs {
    fn from(stat: FileSystemStat) -> Self {
        Self {
            r#type: stat.r#type.into(),
            bsize: stat.block_size.into(),
            blocks: stat.blocks.into(),
            bfree: stat.free.into(),
            bavail: stat.available.into(),
            files: stat.files.into(),
            ffree: stat.files_free.into(),
        }
    }
}

#[allow(clippy::cast_precision_loss, reason = "JavaScript's numbers, as in Node's Stats")]
impl From<FileStat> for Stat {
    fn from(stat: FileStat) -> Self {
        // As Node reckons: in one number, nanoseconds since 1970 have more digits than a float.
        let ms = |ns: i64| {
            let (seconds, rest) = (ns.div_euclid(1_000_000_000), ns.rem_euclid(1_000_000_000));
            seconds as f64 * 1000.0 + rest as f64 / 1e6
        };
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
            exact: None,
        }
    }
}

/// A name as its bytes, or as text: then what is not UTF-8 arrives as Node gives it, with replacement characters.
pub(crate) fn name_of(name: Bytes, raw: bool) -> Name {
    if raw {
        return Either::B(Vec::from(name).into());
    }
    Either::A(String::from_utf8_lossy(&name).into_owned())
}

/// Bytes that a path keeps on its way to the box: twice what Linux takes, so that the kernel refuses what is too long, and no more
/// than a message holds.
const PATH: usize = 8192;

fn path(path: Option<Name>) -> Bytes {
    path.map(bytes_of).unwrap_or_default()
}

fn bytes_of(path: Name) -> Bytes {
    let mut path = match path {
        Either::A(text) => Bytes::from(text),
        Either::B(bytes) => Bytes::copy_from_slice(&bytes),
    };
    path.truncate(PATH);
    path
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
