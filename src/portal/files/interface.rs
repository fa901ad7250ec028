//! `FilesInterface`: calls of the guest's `Files` service.
//!
//! What comes back is a guest's: every chunk's size and every listing's length is bounded here.

use std::{future::ready, path::Path, sync::Arc};

use boxlite_error::BoxliteResult;
use boxlite_proto::v1::{
    CopyInRequest, CopyOutRequest, FileAnswer, FileOperation, FileRequest, FileWatchAnswer,
    files_client::FilesClient,
};
use boxlite_wire::limits;
use bytes::Bytes;
use futures::{Stream, StreamExt as _, TryStreamExt as _, stream, stream::BoxStream};
use tokio::sync::{mpsc, oneshot};
use tokio_stream::wrappers::ReceiverStream;
use tonic::{Request, Status, Streaming, transport::Channel};

use super::{
    answer::{answers, checked, refused},
    call::FileCall,
    directory::{self, DirectoryEntry},
    options::{ArchiveTarget, ReadOptions, WriteOptions},
    target::{FileTarget, bytes_of},
    watch::FileChange,
};
use crate::{
    call::{answered, opening},
    status::{broken, from_status},
};

/// Linux's `XATTR_SIZE_MAX` and `XATTR_LIST_MAX`.
const XATTR: usize = 64 << 10;

/// What a guest sends over time. After an error it is of no more use.
pub type Chunks<T> = BoxStream<'static, BoxliteResult<T>>;

/// Calls of the `Files` service.
#[derive(Debug, Clone)]
pub struct FilesInterface {
    pub(crate) client: FilesClient<Channel>,
    /// Who acts; empty is root.
    pub(crate) user: Arc<str>,
}

impl FilesInterface {
    /// The same calls for another user of the box: "name", "uid", "name:group" or "uid:gid"; empty is root.
    #[must_use]
    pub fn as_user(self, user: Arc<str>) -> Self {
        Self { user, ..self }
    }

    /// Performs one operation.
    ///
    /// # Errors
    ///
    /// A `FileFault` for what the guest's kernel refused; `RPC` for an answer that the protocol forbids.
    pub async fn call<T>(&self, call: FileCall<T>) -> BoxliteResult<T> {
        let FileCall { request, read } = call;
        let operation = request.operation();
        let requested = usize::try_from(request.length).unwrap_or(usize::MAX);
        let given = request.data.len() as u64;
        let mut request = Request::new(FileRequest { user: self.user.to_string(), ..request });
        // A tree takes as long as it takes; a guest that is gone is noticed by the connection's keep-alive.
        if !matches!(
            operation,
            FileOperation::Remove | FileOperation::Copy | FileOperation::CopyFile | FileOperation::Sync
        ) {
            request.set_timeout(limits::UNARY_DEADLINE);
        }
        let what = operation.as_str_name().to_ascii_lowercase();
        let answer = checked(answered(&what, self.client.clone().call(request).await)?)?;
        match operation {
            FileOperation::ReadAt if answer.data.len() > requested => {
                Err(broken(&what, &format!("{} bytes where {requested} were requested", answer.data.len())))
            }
            FileOperation::GetXattr | FileOperation::ListXattr if answer.data.len() > XATTR => {
                Err(broken(&what, "an attribute that no kernel has"))
            }
            FileOperation::WriteAt if answer.count > given => {
                Err(broken(&what, &format!("it wrote {} bytes of {given}", answer.count)))
            }
            _ => read(answer).ok_or_else(|| broken(&what, "an answer without its result")),
        }
    }

    /// All entries of a directory, with `recursive` of everything below it too, in the order of their names.
    ///
    /// # Errors
    ///
    /// `LISTING_TOO_LARGE` for more than a million entries, or 128 MiB of them.
    pub async fn read_dir(&self, path: &Path, recursive: bool) -> BoxliteResult<Vec<DirectoryEntry>> {
        directory::whole(self.list(path, recursive).await?).await
    }

    /// The entries of a directory in batches, in the order of its file system.
    ///
    /// # Errors
    ///
    /// What comes of the opening is an error of the first batch.
    pub async fn open_dir(&self, path: &Path, recursive: bool) -> BoxliteResult<Chunks<Vec<DirectoryEntry>>> {
        Ok(directory::listing(self.list(path, recursive).await?).boxed())
    }

    async fn list(&self, path: &Path, recursive: bool) -> BoxliteResult<Streaming<FileAnswer>> {
        let batches = self.client.clone().read_directory(self.tree(path, recursive)).await;
        answered("read directory", batches)
    }

    /// Begins to read a file.
    ///
    /// # Errors
    ///
    /// What comes of the opening, if the options wait for it; otherwise that is an error of the first chunk.
    pub async fn read(&self, target: FileTarget, options: ReadOptions) -> BoxliteResult<Chunks<Bytes>> {
        let mut client = self.client.clone();
        let request = options.request(target, &self.user);
        let chunks = if options.await_open {
            let opened = opening(client.read(request), "the file is not open").await;
            let (first, chunks) = opened.map_err(|status| from_status("read file", &status))?;
            let first = first.ok_or_else(|| broken("read file", "it ended before it was open"))?;
            if !checked(first)?.data.is_empty() {
                return Err(broken("read file", "it began before it was open"));
            }
            chunks
        } else {
            answered("read file", client.read(request).await)?
        };
        let mut left = options.length.unwrap_or(u64::MAX);
        let mut bounded = move |data: Bytes| {
            let length = data.len() as u64;
            if length == 0 || length > left {
                return Err(broken("read file", "a chunk of a size that was not requested"));
            }
            left -= length;
            Ok(data)
        };
        Ok(answers("read file", chunks).map(move |answer| bounded(answer?.data)).boxed())
    }

    /// Writes the chunks that come until their sender is dropped; sends to `opened` when the file is open. Returns the number of
    /// bytes that were written.
    ///
    /// # Errors
    ///
    /// A `FileFault` for what the guest's kernel refused; what came before is written.
    pub async fn write(
        &self,
        target: FileTarget,
        options: WriteOptions,
        chunks: mpsc::Receiver<Bytes>,
        opened: oneshot::Sender<()>,
    ) -> BoxliteResult<u64> {
        let first = options.request(target, &self.user);
        let rest = ReceiverStream::new(chunks).map(|data| FileRequest { data, ..FileRequest::default() });
        let mut written = self.written(stream::once(ready(first)).chain(rest)).await?;
        due(&mut written).await?;
        let _ = opened.send(());
        Ok(due(&mut written).await?.count)
    }

    /// Writes all of `data`, which fits in one message ([`limits::FILE_CHUNK`]).
    ///
    /// # Errors
    ///
    /// A `FileFault` for what the guest's kernel refused.
    pub async fn write_whole(
        &self,
        target: FileTarget,
        options: WriteOptions,
        data: Bytes,
    ) -> BoxliteResult<()> {
        let given = data.len() as u64;
        let request = FileRequest { data, whole: true, ..options.request(target, &self.user) };
        match due(&mut self.written(stream::once(ready(request))).await?).await?.count {
            count if count == given => Ok(()),
            count => Err(broken("write file", &format!("it wrote {count} bytes of {given}"))),
        }
    }

    /// The answers to one write.
    async fn written(
        &self,
        messages: impl Stream<Item = FileRequest> + Send + 'static,
    ) -> BoxliteResult<Chunks<FileAnswer>> {
        let written = self.client.clone().write(messages).await;
        Ok(answers("write file", answered("write file", written)?).boxed())
    }

    /// Begins to watch a file, a directory, or with `recursive` a tree. The watch is set when this returns.
    ///
    /// # Errors
    ///
    /// A `FileFault` for what can't be watched.
    pub async fn watch(&self, path: &Path, recursive: bool) -> BoxliteResult<Chunks<Vec<FileChange>>> {
        let mut client = self.client.clone();
        let request = self.tree(path, recursive);
        let opened = opening(client.watch(request), "the watch is not set").await;
        let (first, changes) = opened.map_err(|status| from_status("watch", &status))?;
        changed(Ok(first.ok_or_else(|| broken("watch", "it ended before it began"))?))?;
        Ok(changes.map(changed).boxed())
    }

    fn tree(&self, path: &Path, recursive: bool) -> FileRequest {
        FileRequest { recursive, user: self.user.to_string(), ..FileTarget::from(path).request() }
    }

    /// Sends an archive, and returns when the guest has unpacked it.
    ///
    /// # Errors
    ///
    /// A `FileFault` for what the guest's kernel refused; `ARCHIVE_INVALID` for what is no archive.
    pub async fn copy_in(&self, target: ArchiveTarget, chunks: mpsc::Receiver<Bytes>) -> BoxliteResult<()> {
        let rest = ReceiverStream::new(chunks).map(|data| CopyInRequest { data, ..CopyInRequest::default() });
        let answer = self.client.clone().copy_in(stream::once(ready(target.request())).chain(rest)).await;
        checked(answered("copy in", answer)?).map(drop)
    }

    /// Begins to receive what is at `path`: with `tree` as a stream of `boxlite-archive`, otherwise as a tar archive. With `xattrs`
    /// it has extended attributes.
    ///
    /// # Errors
    ///
    /// What comes of the packing is an error of the stream, and so is an archive that breaks off.
    pub async fn copy_out(&self, path: &Path, tree: bool, xattrs: bool) -> BoxliteResult<Chunks<Bytes>> {
        let request = CopyOutRequest { path: bytes_of(path), tree, xattrs, ..CopyOutRequest::default() };
        let chunks = answered("copy out", self.client.clone().copy_out(request).await)?;
        // The last answer has no bytes. A stream that ends without it has broken off.
        let cut = stream::once(async { Err(broken("copy out", "an archive without an end")) });
        let data = answers("copy out", chunks).map_ok(|answer| answer.data).chain(cut);
        Ok(data.try_take_while(|data| ready(Ok(!data.is_empty()))).boxed())
    }
}

/// The next answer to a write, which must not end before.
async fn due(written: &mut Chunks<FileAnswer>) -> BoxliteResult<FileAnswer> {
    let next = written.try_next().await?;
    next.ok_or_else(|| broken("write file", "it ended before all was written"))
}

fn changed(message: Result<FileWatchAnswer, Status>) -> BoxliteResult<Vec<FileChange>> {
    match message.map_err(|status| from_status("watch", &status))? {
        FileWatchAnswer { error: Some(error), .. } => Err(refused(&error)),
        FileWatchAnswer { changes, .. } => Ok(changes.into_iter().map(FileChange::from).collect()),
    }
}
