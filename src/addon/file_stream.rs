//! What flows to and from a box's files: contents, archives, changes, and copies under way. Made by `NativeFiles`.
//!
//! Everything is pulled or pushed one chunk at a time, so JavaScript that pauses holds the box back.

use std::sync::{Arc, Mutex, PoisonError};

use boxlite_runtime::{
    ArchiveReader, ArchiveWriter, BoxliteError, BoxliteResult, ErrorCode, FileReader, FileWatcher,
    FileWriter, Meter,
};
use bytes::Bytes;
use futures::{
    FutureExt as _,
    future::{AbortHandle, Abortable, BoxFuture},
};
use napi::{
    Env, Result,
    bindgen_prelude::{Buffer, Object},
};
use napi_derive::napi;

use crate::{
    files::{Name, name_of},
    promise::{promise, promise_while_there},
};

/// Bytes out of a box: a file that is being read, or a tree as a tar stream.
#[napi]
pub struct NativeFileReader(Source);

#[derive(Clone)]
enum Source {
    File(FileReader),
    Archive(ArchiveReader),
}

/// A file that is being written.
#[napi]
pub struct NativeFileWriter(FileWriter);

/// A tar stream into a box.
#[napi]
pub struct NativeArchiveWriter(ArchiveWriter);

/// A path that is being watched.
#[napi]
pub struct NativeWatcher {
    watcher: FileWatcher,
    raw: bool,
}

impl From<FileReader> for NativeFileReader {
    fn from(file: FileReader) -> Self {
        Self(Source::File(file))
    }
}

impl From<ArchiveReader> for NativeFileReader {
    fn from(archive: ArchiveReader) -> Self {
        Self(Source::Archive(archive))
    }
}

impl From<FileWriter> for NativeFileWriter {
    fn from(file: FileWriter) -> Self {
        Self(file)
    }
}

impl From<ArchiveWriter> for NativeArchiveWriter {
    fn from(archive: ArchiveWriter) -> Self {
        Self(archive)
    }
}

impl NativeWatcher {
    pub(crate) fn new(watcher: FileWatcher, raw: bool) -> Self {
        Self { watcher, raw }
    }
}

#[napi]
impl NativeFileReader {
    /// The next bytes; `null` at the end.
    #[napi]
    pub fn pull<'env>(&self, env: &'env Env) -> Result<Object<'env>> {
        let source = self.0.clone();
        promise_while_there(env, async move {
            let data = match source {
                Source::File(file) => file.pull().await?,
                Source::Archive(archive) => archive.pull().await?,
            };
            // Without a copy where nobody else holds the bytes.
            Ok(data.map(|data| Buffer::from(Vec::from(data))))
        })
    }

    /// Reads no more.
    #[napi]
    pub fn close<'env>(&self, env: &'env Env) -> Result<Object<'env>> {
        let source = self.0.clone();
        promise(env, async move {
            match source {
                Source::File(file) => file.close(),
                Source::Archive(archive) => archive.close().await,
            }
            Ok(())
        })
    }
}

#[napi]
impl NativeFileWriter {
    /// Resolves when the file is open; bytes may be handed on before.
    #[napi]
    pub fn opened<'env>(&self, env: &'env Env) -> Result<Object<'env>> {
        let writer = self.0.clone();
        promise(env, async move { writer.opened().await })
    }

    /// Hands on the next bytes; resolves when there is room for more.
    #[napi]
    pub fn push<'env>(&self, env: &'env Env, data: &[u8]) -> Result<Object<'env>> {
        let (writer, data) = (self.0.clone(), Bytes::copy_from_slice(data));
        promise_while_there(env, async move { writer.push(data).await })
    }

    /// Ends the file; resolves when all is written.
    #[napi]
    pub fn finish<'env>(&self, env: &'env Env) -> Result<Object<'env>> {
        let writer = self.0.clone();
        promise_while_there(env, async move { Ok(writer.finish().await?.cast_signed()) })
    }

    /// Breaks off, without waiting for anything.
    #[napi]
    pub fn abort(&self) {
        self.0.abort();
    }
}

#[napi]
impl NativeArchiveWriter {
    /// Hands on the next bytes; resolves when there is room for more.
    #[napi]
    pub fn push<'env>(&self, env: &'env Env, data: &[u8]) -> Result<Object<'env>> {
        let (writer, data) = (self.0.clone(), Bytes::copy_from_slice(data));
        promise_while_there(env, async move { writer.push(data).await })
    }

    /// Ends the archive; resolves when it is unpacked.
    #[napi]
    pub fn finish<'env>(&self, env: &'env Env) -> Result<Object<'env>> {
        let writer = self.0.clone();
        promise_while_there(env, async move { writer.finish().await })
    }

    /// Breaks off.
    #[napi]
    pub fn abort<'env>(&self, env: &'env Env) -> Result<Object<'env>> {
        let writer = self.0.clone();
        promise(env, async move {
            writer.abort().await;
            Ok(())
        })
    }
}

/// What changed.
#[napi(object, object_from_js = false)]
pub struct Change {
    /// A name came or went; otherwise contents or attributes changed.
    pub renamed: bool,
    /// Below the watched directory.
    pub name: Name,
}

#[napi]
impl NativeWatcher {
    /// What changed; waits for it. `null` once the watch is over.
    #[napi]
    pub fn next<'env>(&self, env: &'env Env) -> Result<Object<'env>> {
        let (watcher, raw) = (self.watcher.clone(), self.raw);
        promise_while_there(env, async move {
            Ok(watcher.next().await?.map(|changes| {
                changes
                    .into_iter()
                    .map(|change| Change { renamed: change.renamed, name: name_of(change.name, raw) })
                    .collect::<Vec<_>>()
            }))
        })
    }

    /// Ends the watch.
    #[napi]
    pub fn close(&self) {
        self.watcher.close();
    }
}

/// A copy of a tree under way.
#[napi]
pub struct NativeCopy {
    meter: Arc<Meter>,
    work: Mutex<Option<BoxFuture<'static, BoxliteResult<()>>>>,
    abort: AbortHandle,
}

/// How far a copy has come.
#[napi(object, object_from_js = false)]
pub struct CopyProgress {
    /// Files, folders and links.
    pub entries: i64,
    /// Bytes of file contents.
    pub bytes: i64,
    /// What was left out: devices, sockets and FIFOs.
    pub skipped: i64,
}

impl NativeCopy {
    pub(crate) fn new(
        meter: Arc<Meter>,
        work: impl Future<Output = BoxliteResult<()>> + Send + 'static,
    ) -> Self {
        let (abort, registration) = AbortHandle::new_pair();
        let work = Abortable::new(work, registration).map(|done| {
            done.unwrap_or_else(|_| Err(BoxliteError::new(ErrorCode::Aborted, "copy: it was aborted")))
        });
        Self { meter, work: Mutex::new(Some(work.boxed())), abort }
    }
}

#[napi]
impl NativeCopy {
    /// Copies, and resolves when all is there. To be called once.
    #[napi]
    pub fn run<'env>(&self, env: &'env Env) -> Result<Object<'env>> {
        let work = self.work.lock().unwrap_or_else(PoisonError::into_inner).take();
        promise_while_there(env, async move {
            match work {
                Some(work) => work.await,
                None => Err(BoxliteError::new(ErrorCode::Internal, "copy: it was run before")),
            }
        })
    }

    /// How far it has come.
    #[napi]
    pub fn progress(&self) -> CopyProgress {
        let progress = self.meter.progress();
        CopyProgress {
            entries: progress.entries.cast_signed(),
            bytes: progress.bytes.cast_signed(),
            skipped: progress.skipped.cast_signed(),
        }
    }

    /// Breaks off; what was copied stays.
    #[napi]
    pub fn abort(&self) {
        self.abort.abort();
    }
}
