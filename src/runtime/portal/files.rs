//! `FilesInterface`: files of the container, from the host's side.
//!
//! What comes back is a guest's: every chunk's size and every listing's length is bounded here.

use std::mem;

use boxlite_proto::{
    limits,
    v1::{
        CopyInRequest, CopyOutRequest, DirectoryEntry, FileAnswer, FileError, FileOperation, FileReadRequest,
        FileRequest, FileWatchAnswer, FileWriteRequest, files_client::FilesClient,
    },
};
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;
use tonic::{Request, Streaming, transport::Channel};

use super::{
    Connection,
    fault::{bounded, broken, from_status},
    opening::opening,
};
use crate::{BoxliteError, BoxliteResult, ErrorCode, FileFault};

/// Most bytes of memory that one listing may take: some 4 million entries. A guest that sends more lists no directory.
const LISTING: usize = 512 << 20;
/// What an entry takes besides its name.
const ENTRY: usize = 64;
/// Longest path, Linux's `PATH_MAX`, that an error may name.
const PATH: usize = 4096;

/// Calls of the `Files` service.
#[derive(Debug, Clone)]
pub(crate) struct FilesInterface {
    client: FilesClient<Channel>,
}

impl FilesInterface {
    pub(super) fn new(connection: &Connection) -> Self {
        let client = FilesClient::new(connection.channel())
            .max_decoding_message_size(limits::MESSAGE)
            .max_encoding_message_size(limits::MESSAGE);
        Self { client }
    }

    /// Performs one operation.
    pub(crate) async fn call(&self, request: FileRequest) -> BoxliteResult<FileAnswer> {
        let operation = request.operation();
        let asked = usize::try_from(request.length).unwrap_or(usize::MAX);
        let given = request.data.len() as u64;
        let mut request = Request::new(request);
        // A tree takes as long as it takes; a guest that is gone is noticed by the connection's own signs of life.
        if !matches!(
            operation,
            FileOperation::Remove | FileOperation::Copy | FileOperation::CopyFile | FileOperation::Sync
        ) {
            request.set_timeout(limits::UNARY_DEADLINE);
        }
        let what = operation.as_str_name().to_ascii_lowercase();
        let answer = self.client.clone().call(request).await;
        let answer = checked(answer.map_err(|status| from_status(&what, &status))?.into_inner())?;
        match operation {
            FileOperation::ReadAt if answer.data.len() > asked => {
                Err(broken(&what, &format!("{} bytes where {asked} were asked for", answer.data.len())))
            }
            FileOperation::WriteAt if answer.count > given => {
                Err(broken(&what, &format!("it wrote {} bytes of {given}", answer.count)))
            }
            _ => Ok(answer),
        }
    }

    /// All entries of a directory.
    pub(crate) async fn read_directory(&self, request: FileRequest) -> BoxliteResult<Vec<DirectoryEntry>> {
        let failed = |status: tonic::Status| from_status("read directory", &status);
        let mut batches = self.client.clone().read_directory(request).await.map_err(failed)?.into_inner();
        let (mut entries, mut size, mut ended) = (Vec::new(), 0, false);
        while let Some(batch) = batches.message().await.map_err(failed)? {
            let batch = checked(batch)?.entries;
            size += batch.iter().map(|entry| ENTRY + entry.name.len()).sum::<usize>();
            if size > LISTING {
                return Err(broken("read directory", "a listing without an end"));
            }
            // Only the last one may be empty.
            if mem::replace(&mut ended, batch.is_empty()) {
                return Err(broken("read directory", "a listing that goes on after its end"));
            }
            entries.extend(batch);
        }
        Ok(entries)
    }

    /// Begins to read a file.
    pub(crate) async fn read(&self, request: FileReadRequest) -> BoxliteResult<Streaming<FileAnswer>> {
        let chunks = self.client.clone().read(request).await;
        Ok(chunks.map_err(|status| from_status("read file", &status))?.into_inner())
    }

    /// Writes what `messages` gives, and answers how much it was.
    pub(crate) async fn write(&self, messages: mpsc::Receiver<FileWriteRequest>) -> BoxliteResult<u64> {
        let answer = self.client.clone().write(ReceiverStream::new(messages)).await;
        let answer = answer.map_err(|status| from_status("write file", &status))?.into_inner();
        Ok(checked(answer)?.count)
    }

    /// Begins to watch; the watch stands when this returns.
    pub(crate) async fn watch(&self, request: FileRequest) -> BoxliteResult<Streaming<FileWatchAnswer>> {
        let mut client = self.client.clone();
        let opened = opening(client.watch(request), "the watch does not stand").await;
        let (first, changes) = opened.map_err(|status| from_status("watch", &status))?;
        match first {
            None => Err(broken("watch", "it ended before it began")),
            Some(FileWatchAnswer { error: Some(error), .. }) => Err(refused(&error)),
            Some(_) => Ok(changes),
        }
    }

    /// Sends an archive, and answers when the guest has unpacked it.
    pub(crate) async fn copy_in(&self, messages: mpsc::Receiver<CopyInRequest>) -> BoxliteResult<()> {
        let answer = self.client.clone().copy_in(ReceiverStream::new(messages)).await;
        checked(answer.map_err(|status| from_status("copy in", &status))?.into_inner()).map(drop)
    }

    /// Begins to receive an archive.
    pub(crate) async fn copy_out(&self, request: CopyOutRequest) -> BoxliteResult<Streaming<FileAnswer>> {
        let chunks = self.client.clone().copy_out(request).await;
        Ok(chunks.map_err(|status| from_status("copy out", &status))?.into_inner())
    }
}

/// The answer, unless it tells of a failure.
pub(crate) fn checked(mut answer: FileAnswer) -> BoxliteResult<FileAnswer> {
    match answer.error.take() {
        Some(error) => Err(refused(&error)),
        None => Ok(answer),
    }
}

/// What the guest's kernel refused, in its own words.
pub(crate) fn refused(error: &FileError) -> BoxliteError {
    let text = |bytes: &[u8]| {
        let text = String::from_utf8_lossy(&bytes[..bytes.len().min(PATH)]).into_owned();
        Some(text).filter(|text| !text.is_empty())
    };
    if error.errno == 0 {
        return BoxliteError::new(
            ErrorCode::ArchiveInvalid,
            format!("in the box: {}", bounded(&error.message)),
        );
    }
    let fault = FileFault {
        errno: error.errno,
        syscall: bounded(&error.syscall),
        path: text(&error.path),
        dest: text(&error.to),
    };
    BoxliteError::of_file(fault)
}
