//! Copies between host and box, each one stream: `Files::copy_in`, `Files::copy_out`, and their forms for tar streams that
//! the caller brings. What comes out of a box is received as `boxlite-archive` does it: confined, whatever it holds.

use std::{
    ffi::{OsStr, OsString},
    os::unix::ffi::OsStrExt as _,
    path::{Path, PathBuf},
    sync::Arc,
};

use boxlite_archive::{Error as ArchiveError, Meter, PipeReader, PipeWriter, Rules, receive, send};
use boxlite_error::{BoxliteError, BoxliteResult, ErrorCode, FileFault, Term, text};
use boxlite_portal::{FilesInterface, broken, checked, from_status};
use boxlite_proto::v1::{CopyInRequest, CopyOutRequest, FileAnswer};
use boxlite_wire::limits;
use bytes::Bytes;
use tokio::{
    sync::{Mutex, mpsc},
    task::{JoinHandle, spawn_blocking},
};
use tonic::Streaming;

use crate::litebox::{
    files::verbs::{Files, explained},
    lifecycle::machine::Machine,
};

/// Chunks between a thread and the wire.
const AHEAD: usize = 4;

impl Files {
    /// Copies the file or tree at `from` on the host to `to` in the box, where it belongs to root or to whom `how` says.
    pub async fn copy_in(
        &self,
        from: PathBuf,
        to: Bytes,
        how: CopyInto,
        meter: Arc<Meter>,
    ) -> BoxliteResult<()> {
        let (machine, interface) = self.reach().await?;
        let (chunks, mut packed) = mpsc::channel(AHEAD);
        let name = name_of(&from);
        let CopyInto { owner, replace, xattrs } = how;
        let packing =
            spawn_blocking(move || send(&from, xattrs, PipeWriter::new(chunks, limits::FILE_CHUNK), &meter));
        let (messages, receiver) = mpsc::channel(AHEAD);
        let first = CopyInRequest {
            path: to,
            tree: true,
            name,
            owner: owner.unwrap_or_default(),
            replace,
            ..CopyInRequest::default()
        };
        let sending = async move {
            let _ = messages.send(first).await;
            while let Some(data) = packed.recv().await {
                if messages.send(CopyInRequest { data, ..CopyInRequest::default() }).await.is_err() {
                    break;
                }
            }
            drop(packed);
            let packed = joined(packing.await);
            // A tree that could not be packed whole must not end like one that was.
            if packed.is_err() { Err((messages, packed)) } else { Ok(()) }
        };
        let mut sent = None;
        let unpacked = {
            let unpacking = interface.copy_in(receiver);
            tokio::pin!(unpacking, sending);
            loop {
                tokio::select! {
                    biased;
                    done = &mut unpacking => break done,
                    packed = &mut sending, if sent.is_none() => {
                        if let Err((_, Err(error))) = &packed && !matches!(error, ArchiveError::Stream(_)) {
                            return Err(from_archive(error));
                        }
                        sent = Some(packed);
                    }
                }
            }
        };
        explained(&machine, unpacked).await
    }

    /// Copies the file or tree at `from` in the box to `to` on the host, where it belongs to this process's user. Setuid,
    /// setgid and sticky bits are dropped; devices, sockets and FIFOs are left out. What exceeds a bound is not begun.
    pub async fn copy_out(
        &self,
        from: Bytes,
        to: PathBuf,
        how: CopyFrom,
        meter: Arc<Meter>,
    ) -> BoxliteResult<()> {
        let (machine, interface) = self.reach().await?;
        // What a file is called in a folder is asked of nobody in the box.
        let name = path_of(&from).file_name().map_or_else(|| OsString::from("root"), OsString::from);
        let CopyFrom { max_bytes, max_entries, replace, xattrs } = how;
        let request = CopyOutRequest { path: from, tree: true, xattrs, ..CopyOutRequest::default() };
        let reader = ArchiveReader::begin(machine, &interface, request).await?;
        let (chunks, receiver) = mpsc::channel(AHEAD);
        let counted = Arc::clone(&meter);
        let rules = Rules { max_bytes, max_entries, replace, ..Rules::default() };
        let mut unpacking = spawn_blocking(move || {
            receive(PipeReader::new(receiver), &to, &name, rules, &counted)
                .map(|skipped| counted.skip(skipped))
        });
        let fetching = fetch(&reader, chunks);
        tokio::pin!(fetching);
        let (fetched, unpacked) = tokio::select! {
            biased;
            fetched = &mut fetching => (fetched, joined(unpacking.await)),
            unpacked = &mut unpacking => match joined(unpacked) {
                Ok(()) => (fetching.await, Ok(())),
                // Whatever the box still has to say, or does not, a copy that failed is over.
                failed => (Ok(()), failed),
            },
        };
        // Why the stream broke says more than that it did.
        fetched.and(unpacked.map_err(|error| from_archive(&error)))
    }

    /// The tree at `from` as a tar stream.
    pub async fn pack_out(&self, from: Bytes, xattrs: bool) -> BoxliteResult<ArchiveReader> {
        let (machine, interface) = self.reach().await?;
        let request = CopyOutRequest { path: from, xattrs, ..CopyOutRequest::default() };
        ArchiveReader::begin(machine, &interface, request).await
    }

    /// Unpacks a tar stream beneath the folder `to` in the box, with the owners that it names unless `how` says another.
    pub async fn unpack_in(&self, to: Bytes, how: CopyInto) -> BoxliteResult<ArchiveWriter> {
        let (machine, interface) = self.reach().await?;
        let (messages, receiver) = mpsc::channel(AHEAD);
        let owner = how.owner.unwrap_or_default();
        let first = CopyInRequest {
            path: to,
            owners: owner.is_empty(),
            owner,
            replace: how.replace,
            ..CopyInRequest::default()
        };
        let _ = messages.send(first).await;
        let done = tokio::spawn(async move { interface.copy_in(receiver).await });
        let state = Sending { messages: Some(messages), done: Some(done) };
        Ok(ArchiveWriter { machine, state: Arc::new(Mutex::new(state)) })
    }
}

/// How to copy into a box.
#[derive(Debug, Clone, Default)]
pub struct CopyInto {
    /// Whom the copy belongs to, as commands name a user. Default: root; of a tar stream whom it names.
    pub owner: Option<String>,
    /// What is of another type gives way.
    pub replace: bool,
    /// With extended attributes. Not of a tar stream.
    pub xattrs: bool,
}

/// How to copy out of a box, and how much; `None` is any number.
#[derive(Debug, Clone, Copy, Default)]
pub struct CopyFrom {
    /// Bytes of file contents, holes included, and of extended attributes.
    pub max_bytes: Option<u64>,
    /// Files, folders and links.
    pub max_entries: Option<u64>,
    /// What is of another type gives way.
    pub replace: bool,
    /// With extended attributes.
    pub xattrs: bool,
}

/// Hands what `reader` gives to an unpacker.
async fn fetch(reader: &ArchiveReader, chunks: mpsc::Sender<Option<Bytes>>) -> BoxliteResult<()> {
    while let Some(data) = reader.pull().await? {
        // An unpacker that is done needs no more.
        if chunks.send(Some(data)).await.is_err() {
            return Ok(());
        }
    }
    let _ = chunks.send(None).await;
    Ok(())
}

/// A tar stream out of a box. Clones share it.
#[derive(Debug, Clone)]
pub struct ArchiveReader {
    machine: Arc<Machine>,
    chunks: Arc<Mutex<Option<Streaming<FileAnswer>>>>,
}

impl ArchiveReader {
    pub(crate) async fn begin(
        machine: Arc<Machine>,
        interface: &FilesInterface,
        request: CopyOutRequest,
    ) -> BoxliteResult<Self> {
        let chunks = explained(&machine, interface.copy_out(request).await).await?;
        Ok(Self { machine, chunks: Arc::new(Mutex::new(Some(chunks))) })
    }

    /// The next bytes; `None` at the end.
    pub async fn pull(&self) -> BoxliteResult<Option<Bytes>> {
        let mut state = self.chunks.lock().await;
        let Some(chunks) = state.as_mut() else { return Ok(None) };
        let next = chunks.message().await.map_err(|status| from_status("copy out", &status));
        let next = next.and_then(|answer| answer.map(checked).transpose());
        // The last answer has no bytes. A stream that ends without it has broken off.
        let next = match next {
            Ok(None) => Err(broken("copy out", "an archive without an end")),
            Ok(Some(answer)) if answer.data.is_empty() => Ok(None),
            Ok(Some(answer)) => Ok(Some(answer.data)),
            Err(error) => Err(error),
        };
        if !matches!(next, Ok(Some(_))) {
            *state = None;
        }
        drop(state);
        explained(&self.machine, next).await
    }

    /// Reads no more.
    pub async fn close(&self) {
        *self.chunks.lock().await = None;
    }
}

/// A tar stream into a box. Clones share it.
#[derive(Debug, Clone)]
pub struct ArchiveWriter {
    machine: Arc<Machine>,
    state: Arc<Mutex<Sending>>,
}

#[derive(Debug)]
struct Sending {
    messages: Option<mpsc::Sender<CopyInRequest>>,
    done: Option<JoinHandle<BoxliteResult<()>>>,
}

impl ArchiveWriter {
    /// Hands on the next bytes; returns when there is room for more. What follows an archive's end is dropped.
    pub async fn push(&self, mut data: Bytes) -> BoxliteResult<()> {
        let mut state = self.state.lock().await;
        while !data.is_empty() {
            let chunk = data.split_to(data.len().min(limits::FILE_CHUNK));
            let Some(messages) = &state.messages else { return Ok(()) };
            if messages.send(CopyInRequest { data: chunk, ..CopyInRequest::default() }).await.is_err() {
                return self.end(&mut state).await;
            }
        }
        Ok(())
    }

    /// Ends the archive; returns when it is unpacked.
    pub async fn finish(&self) -> BoxliteResult<()> {
        self.end(&mut *self.state.lock().await).await
    }

    /// Breaks off: the box keeps what was unpacked.
    pub async fn abort(&self) {
        let mut state = self.state.lock().await;
        if let Some(done) = state.done.take() {
            done.abort();
        }
        state.messages = None;
    }

    async fn end(&self, state: &mut Sending) -> BoxliteResult<()> {
        state.messages = None;
        let Some(done) = state.done.take() else { return Ok(()) };
        let unpacked = done
            .await
            .unwrap_or_else(|error| Err(BoxliteError::new(ErrorCode::Internal, "copy in").caused_by(error)));
        explained(&self.machine, unpacked).await
    }
}

fn joined<T>(done: Result<Result<T, ArchiveError>, tokio::task::JoinError>) -> Result<T, ArchiveError> {
    done.unwrap_or_else(|error| Err(ArchiveError::Stream(std::io::Error::other(error))))
}

fn from_archive(error: &ArchiveError) -> BoxliteError {
    match error {
        ArchiveError::System { errno, syscall, path } => BoxliteError::of_file(FileFault {
            errno: *errno as i32,
            syscall: (*syscall).to_owned(),
            path: Some(path.to_string_lossy().into_owned()),
            dest: None,
            refusal: None,
        }),
        ArchiveError::Exceeded { what, most } => {
            let message = format!("copy out: the box sends more than {most} {what}");
            BoxliteError::new(ErrorCode::CopyTooLarge, message).hint(text![
                "raise ",
                Term::Option("max_bytes"),
                " or ",
                Term::Option("max_entries"),
                ", or copy less; what came before is there"
            ])
        }
        other => BoxliteError::new(ErrorCode::ArchiveInvalid, other.to_string()),
    }
}

/// What the file or folder at `path` on this host is called.
fn name_of(path: &Path) -> Bytes {
    path.file_name()
        .map_or_else(|| Bytes::from_static(b"root"), |name| Bytes::copy_from_slice(name.as_bytes()))
}

fn path_of(path: &[u8]) -> &Path {
    Path::new(OsStr::from_bytes(path))
}
