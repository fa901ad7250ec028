//! Copies between host and box, each one tar stream: `Files::copy_in`, `Files::copy_out`, and their forms for streams that
//! the caller brings. What comes out of a box is unpacked as `boxlite-archive` does it: confined, whatever it holds.

use std::{
    path::{Path, PathBuf},
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};

use boxlite_archive::{Error as ArchiveError, Meter, PipeReader, PipeWriter, Place, Unpack, pack, unpack};
use boxlite_proto::{
    limits,
    v1::{CopyInRequest, CopyOutRequest, FileAnswer},
};
use bytes::Bytes;
use tokio::{
    sync::{Mutex, mpsc},
    task::{JoinHandle, spawn_blocking},
};
use tonic::Streaming;

use super::{
    Machine,
    files::{Files, explained},
};
use crate::{
    BoxliteError, BoxliteResult, ErrorCode, FileFault,
    portal::{FilesInterface, broken, checked, from_status},
};

/// Chunks between a thread and the wire.
const AHEAD: usize = 4;

impl Files {
    /// Copies the file or tree at `from` on the host to `to` in the box, where it belongs to root.
    pub async fn copy_in(&self, from: PathBuf, to: Bytes, meter: Arc<Meter>) -> BoxliteResult<()> {
        let (machine, interface) = self.reach().await?;
        // The name that the box expects at the root; of a folder that exists there it is the same.
        let name = root_name(&to);
        let (chunks, mut packed) = mpsc::channel(AHEAD);
        let packing =
            spawn_blocking(move || pack(&from, &name, PipeWriter::new(chunks, limits::FILE_CHUNK), &meter));
        let (messages, receiver) = mpsc::channel(AHEAD);
        let first = CopyInRequest { path: to, exact: true, ..CopyInRequest::default() };
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
    /// setgid and sticky bits are dropped; devices, sockets and FIFOs are left out. What exceeds `bound` is not begun.
    pub async fn copy_out(
        &self,
        from: Bytes,
        to: PathBuf,
        bound: CopyBound,
        meter: Arc<Meter>,
    ) -> BoxliteResult<()> {
        let prepared = spawn_blocking(move || Place::exactly(&to)).await;
        let place = joined(prepared).map_err(|error| from_archive(&error))?;
        let name = bytes_of(place.root_name());
        let reader = self.pack_out(from, name).await?;
        let (chunks, receiver) = mpsc::channel(AHEAD);
        let counted = Arc::clone(&meter);
        let CopyBound { bytes: max_bytes, entries: max_entries } = bound;
        let options = Unpack { max_bytes, max_entries, ..Unpack::default() };
        let mut unpacking =
            spawn_blocking(move || unpack(PipeReader::new(receiver), &place, options, &counted));
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
        meter.skip(reader.skipped.load(Ordering::Relaxed));
        // Why the stream broke says more than that it did.
        fetched.and(unpacked.map_err(|error| from_archive(&error)))
    }

    /// The tree at `from` as a tar stream.
    pub async fn pack_out(&self, from: Bytes, name: Bytes) -> BoxliteResult<ArchiveReader> {
        let (machine, interface) = self.reach().await?;
        ArchiveReader::begin(machine, &interface, CopyOutRequest { path: from, name }).await
    }

    /// Unpacks a tar stream beneath the folder `to` in the box, with the owners that it names.
    pub async fn unpack_in(&self, to: Bytes) -> BoxliteResult<ArchiveWriter> {
        let (machine, interface) = self.reach().await?;
        let (messages, receiver) = mpsc::channel(AHEAD);
        let first = CopyInRequest { path: to, owners: true, ..CopyInRequest::default() };
        let _ = messages.send(first).await;
        let done = tokio::spawn(async move { interface.copy_in(receiver).await });
        let state = Sending { messages: Some(messages), done: Some(done) };
        Ok(ArchiveWriter { machine, state: Arc::new(Mutex::new(state)) })
    }
}

/// How much a copy out of a box may bring; `None` is any number.
#[derive(Debug, Clone, Copy, Default)]
pub struct CopyBound {
    /// Bytes of file contents, holes included.
    pub bytes: Option<u64>,
    /// Files, folders and links.
    pub entries: Option<u64>,
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
    skipped: Arc<AtomicU64>,
}

impl ArchiveReader {
    pub(crate) async fn begin(
        machine: Arc<Machine>,
        interface: &FilesInterface,
        request: CopyOutRequest,
    ) -> BoxliteResult<Self> {
        let chunks = explained(&machine, interface.copy_out(request).await).await?;
        Ok(Self { machine, chunks: Arc::new(Mutex::new(Some(chunks))), skipped: Arc::default() })
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
            Ok(Some(answer)) if answer.data.is_empty() => {
                self.skipped.store(answer.count, Ordering::Relaxed);
                Ok(None)
            }
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
        }),
        ArchiveError::Exceeded { what, most } => {
            let message = format!("copy out: the box sends more than {most} {what}");
            BoxliteError::new(ErrorCode::CopyTooLarge, message)
                .hint("raise `maxBytes` or `maxEntries`, or copy less; what came before is there")
        }
        other => BoxliteError::new(ErrorCode::ArchiveInvalid, other.to_string()),
    }
}

fn root_name(path: &[u8]) -> PathBuf {
    use std::{ffi::OsStr, os::unix::ffi::OsStrExt as _};
    let path = Path::new(OsStr::from_bytes(path));
    path.file_name().map_or_else(|| PathBuf::from("."), PathBuf::from)
}

fn bytes_of(path: &Path) -> Bytes {
    use std::os::unix::ffi::OsStrExt as _;
    Bytes::copy_from_slice(path.as_os_str().as_bytes())
}
