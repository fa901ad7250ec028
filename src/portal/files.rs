//! `FilesInterface`: files of the container, from the host's side.
//!
//! What comes back is a guest's: every chunk's size and every listing's length is bounded here.

use std::{collections::HashMap, mem};

use boxlite_error::{BoxliteError, BoxliteResult, ErrorCode, FileFault, FileRefusal as Refusal};
use boxlite_proto::v1::{
    CopyInRequest, CopyOutRequest, DirectoryEntry, FileAnswer, FileError, FileOperation, FileReadRequest,
    FileRefusal, FileRequest, FileWatchAnswer, FileWriteRequest, files_client::FilesClient,
};
use boxlite_wire::limits;
use bytes::Bytes;
use tokio::sync::{mpsc, oneshot};
use tokio_stream::wrappers::ReceiverStream;
use tonic::{Request, Streaming, transport::Channel};

use crate::{
    connection::Connection,
    opening::opening,
    status::{bounded, broken, from_status},
};

/// Most entries of one listing, and most bytes that it may take: it is handed to JavaScript as a whole.
const LISTED: usize = 1 << 20;
/// See [`LISTED`].
const LISTING: usize = 128 << 20;
/// What an entry takes besides its name.
const ENTRY: usize = 64;
/// Longest path, Linux's `PATH_MAX`, that an error may name.
const PATH: usize = 4096;
/// Linux's `XATTR_SIZE_MAX` and `XATTR_LIST_MAX`.
const XATTR: usize = 64 << 10;

/// Calls of the `Files` service.
#[derive(Debug, Clone)]
pub struct FilesInterface {
    client: FilesClient<Channel>,
}

impl FilesInterface {
    pub(crate) fn new(connection: &Connection) -> Self {
        let client = FilesClient::new(connection.channel())
            .max_decoding_message_size(limits::MESSAGE)
            .max_encoding_message_size(limits::MESSAGE);
        Self { client }
    }

    /// Performs one operation.
    pub async fn call(&self, request: FileRequest) -> BoxliteResult<FileAnswer> {
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
            FileOperation::GetXattr | FileOperation::ListXattr if answer.data.len() > XATTR => {
                Err(broken(&what, "an attribute that no kernel has"))
            }
            FileOperation::WriteAt if answer.count > given => {
                Err(broken(&what, &format!("it wrote {} bytes of {given}", answer.count)))
            }
            _ => Ok(answer),
        }
    }

    /// All entries of a directory, in the order of their names.
    pub async fn read_directory(&self, request: FileRequest) -> BoxliteResult<Vec<DirectoryEntry>> {
        let mut listing = self.open_directory(request).await?;
        let (mut entries, mut size) = (Vec::new(), 0);
        while let Some(batch) = listing.next().await? {
            size += batch.iter().map(|entry| ENTRY + entry.name.len()).sum::<usize>();
            if size > LISTING || entries.len() + batch.len() > LISTED {
                return Err(too_large());
            }
            entries.extend(batch);
        }
        Ok(in_order(entries))
    }

    /// Begins to list a directory.
    pub async fn open_directory(&self, request: FileRequest) -> BoxliteResult<Listing> {
        let batches = self.client.clone().read_directory(request).await;
        let batches = batches.map_err(|status| from_status("read directory", &status))?.into_inner();
        Ok(Listing { batches, ended: false })
    }

    /// Begins to read a file.
    pub async fn read(&self, request: FileReadRequest) -> BoxliteResult<Streaming<FileAnswer>> {
        let mut client = self.client.clone();
        let failed = |status: tonic::Status| from_status("read file", &status);
        if !request.opened {
            return Ok(client.read(request).await.map_err(failed)?.into_inner());
        }
        let (first, chunks) = opening(client.read(request), "the file is not open").await.map_err(failed)?;
        let first = first.ok_or_else(|| broken("read file", "it ended before it was open"))?;
        if !checked(first)?.data.is_empty() {
            return Err(broken("read file", "it began before it was open"));
        }
        Ok(chunks)
    }

    /// Writes what `messages` gives, and answers how much it was; tells `opened` when the file is open.
    pub async fn write(
        &self,
        messages: mpsc::Receiver<FileWriteRequest>,
        opened: oneshot::Sender<()>,
    ) -> BoxliteResult<u64> {
        let failed = |status: tonic::Status| from_status("write file", &status);
        let answers = self.client.clone().write(ReceiverStream::new(messages)).await;
        let mut answers = answers.map_err(failed)?.into_inner();
        let early = || broken("write file", "it ended before all was written");
        checked(answers.message().await.map_err(failed)?.ok_or_else(early)?)?;
        let _ = opened.send(());
        Ok(checked(answers.message().await.map_err(failed)?.ok_or_else(early)?)?.count)
    }

    /// Begins to watch; the watch stands when this returns.
    pub async fn watch(&self, request: FileRequest) -> BoxliteResult<Streaming<FileWatchAnswer>> {
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
    pub async fn copy_in(&self, messages: mpsc::Receiver<CopyInRequest>) -> BoxliteResult<()> {
        let answer = self.client.clone().copy_in(ReceiverStream::new(messages)).await;
        checked(answer.map_err(|status| from_status("copy in", &status))?.into_inner()).map(drop)
    }

    /// Begins to receive an archive.
    pub async fn copy_out(&self, request: CopyOutRequest) -> BoxliteResult<Streaming<FileAnswer>> {
        let chunks = self.client.clone().copy_out(request).await;
        Ok(chunks.map_err(|status| from_status("copy out", &status))?.into_inner())
    }
}

fn too_large() -> BoxliteError {
    let message = format!("readdir: there are more than {LISTED} entries, or {} MiB of them", LISTING >> 20);
    BoxliteError::new(ErrorCode::ListingTooLarge, message)
        .hint("list the folders of the tree one by one, or run `ls` or `find` in the box and read its output as a stream")
}

/// A directory that is being listed.
#[derive(Debug)]
pub struct Listing {
    batches: Streaming<FileAnswer>,
    ended: bool,
}

impl Listing {
    /// The next entries; `None` at the end.
    pub async fn next(&mut self) -> BoxliteResult<Option<Vec<DirectoryEntry>>> {
        let batch = self.batches.message().await.map_err(|status| from_status("read directory", &status))?;
        let Some(batch) = batch else { return Ok(None) };
        let entries = checked(batch)?.entries;
        // Only the last one may be empty.
        if mem::replace(&mut self.ended, entries.is_empty()) {
            return Err(broken("read directory", "a listing that goes on after its end"));
        }
        Ok(Some(entries))
    }
}

/// Node's order: each directory sorted, and of those below one the last first.
fn in_order(entries: Vec<DirectoryEntry>) -> Vec<DirectoryEntry> {
    let total = entries.len();
    let mut folders: HashMap<Bytes, Vec<DirectoryEntry>> = HashMap::new();
    for entry in entries {
        let parent = entry.name.iter().rposition(|byte| *byte == b'/').unwrap_or(0);
        folders.entry(entry.name.slice(..parent)).or_default().push(entry);
    }
    let (mut sorted, mut waiting) = (Vec::with_capacity(total), vec![Bytes::new()]);
    while let Some(folder) = waiting.pop() {
        let Some(mut listed) = folders.remove(&folder) else { continue };
        listed.sort_unstable_by(|one, other| one.name.cmp(&other.name));
        waiting
            .extend(listed.iter().filter(|entry| folders.contains_key(&entry.name)).map(|e| e.name.clone()));
        sorted.extend(listed);
    }
    sorted
}

/// The answer, unless it tells of a failure.
pub fn checked(mut answer: FileAnswer) -> BoxliteResult<FileAnswer> {
    match answer.error.take() {
        Some(error) => Err(refused(&error)),
        None => Ok(answer),
    }
}

/// What the guest's kernel refused, in its own words.
pub fn refused(error: &FileError) -> BoxliteError {
    let text = |bytes: &[u8]| {
        let text = String::from_utf8_lossy(&bytes[..bytes.len().min(PATH)]).into_owned();
        Some(text).filter(|text| !text.is_empty())
    };
    let ours = match error.refusal() {
        FileRefusal::CopyTooLarge => Some(ErrorCode::CopyTooLarge),
        FileRefusal::ExecUser => Some(ErrorCode::ExecUser),
        _ => None,
    };
    if let Some(code) = ours {
        return BoxliteError::new(code, format!("in the box: {}", bounded(&error.message)));
    }
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
        refusal: match error.refusal() {
            FileRefusal::None => None,
            code => Some(Refusal { code: code.as_str_name(), reason: bounded(&error.message) }),
        },
    };
    BoxliteError::of_file(fault)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn listings_come_in_node_s_order() {
        let entry = |name: &'static str, kind: u32| DirectoryEntry { name: name.into(), r#type: kind };
        let folder = nix::libc::S_IFDIR;
        let listed = vec![
            entry("b", folder),
            entry("top", 0),
            entry("a", folder),
            entry("b/2", 0),
            entry("b/1", folder),
            entry("a/x", 0),
            entry("b/1/y", 0),
            entry("B", 0),
        ];
        let names: Vec<_> = in_order(listed).into_iter().map(|entry| entry.name).collect();
        assert_eq!(names, ["B", "a", "b", "top", "b/1", "b/2", "b/1/y", "a/x"]);
    }
}
