//! `Files`: the files of a box. Made by `LiteBox::files`; each operation starts the box if it does not run.
//!
//! Streams are pulled and pushed one chunk at a time, so a caller that pauses holds the guest back. Copies are `copy`'s.

use std::{mem, sync::Arc};

use boxlite_error::{BoxliteError, BoxliteResult, ErrorCode};
use boxlite_portal::{FilesInterface, broken, checked, from_status, refused};
use boxlite_proto::v1::{
    DirectoryEntry, FileAnswer, FileChange, FileReadRequest, FileRequest, FileWatchAnswer, FileWriteRequest,
};
use boxlite_wire::limits;
use bytes::Bytes;
use tokio::{
    sync::{Mutex, Notify, mpsc, oneshot},
    task::{AbortHandle, JoinHandle},
};
use tonic::Streaming;

use crate::litebox::{core::BoxCore, files::directory::DirectoryReader, lifecycle::machine::Machine};

/// Chunks between the caller and the wire.
const AHEAD: usize = 2;

/// The files of one box. Clones share it.
#[derive(Debug, Clone)]
pub struct Files {
    core: Arc<BoxCore>,
    /// Who acts; empty is root.
    user: Arc<str>,
}

impl Files {
    pub(in crate::litebox) fn new(core: Arc<BoxCore>) -> Self {
        Self { core, user: Arc::default() }
    }

    /// The same files for another user of the box: "name", "uid", "name:group" or "uid:gid".
    #[must_use]
    pub fn as_user(&self, user: &str) -> Self {
        Self { core: Arc::clone(&self.core), user: user.into() }
    }

    /// Performs one operation.
    pub async fn call(&self, mut request: FileRequest) -> BoxliteResult<FileAnswer> {
        let (machine, interface) = self.reach().await?;
        request.user = self.user.to_string();
        self.explained(&machine, interface.call(request).await).await
    }

    /// The entries of a directory, in the order of their names.
    pub async fn read_directory(&self, mut request: FileRequest) -> BoxliteResult<Vec<DirectoryEntry>> {
        let (machine, interface) = self.reach().await?;
        request.user = self.user.to_string();
        self.explained(&machine, interface.read_directory(request).await).await
    }

    /// Lists a directory piece by piece.
    pub async fn open_directory(&self, mut request: FileRequest) -> BoxliteResult<DirectoryReader> {
        let (machine, interface) = self.reach().await?;
        request.user = self.user.to_string();
        let listing = self.explained(&machine, interface.open_directory(request).await).await?;
        DirectoryReader::begin(machine, listing).await
    }

    /// Reads a file from an offset on.
    pub async fn read(&self, mut request: FileReadRequest) -> BoxliteResult<FileReader> {
        let (machine, interface) = self.reach().await?;
        request.user = self.user.to_string();
        FileReader::begin(machine, &interface, request).await
    }

    /// Writes a file; `first` says which, and may carry the first bytes.
    pub async fn write(&self, mut first: FileWriteRequest) -> BoxliteResult<FileWriter> {
        let (machine, interface) = self.reach().await?;
        first.user = self.user.to_string();
        Ok(FileWriter::begin(machine, interface, first).await)
    }

    /// Watches a path. Nothing is missed that is asked of the box after this was called; what others do in it, once this
    /// has resolved.
    pub fn watch(
        &self,
        mut request: FileRequest,
    ) -> impl Future<Output = BoxliteResult<FileWatcher>> + Send + use<> {
        let rising = self.core.watches.begin();
        let this = self.clone();
        request.user = self.user.to_string();
        async move {
            let _rising = rising;
            let machine = this.core.machine().await?;
            let changes = this.explained(&machine, machine.session.files().watch(request).await).await?;
            Ok(FileWatcher { machine, closed: Arc::default(), changes: Arc::new(Mutex::new(Some(changes))) })
        }
    }

    async fn explained<T>(&self, machine: &Arc<Machine>, result: BoxliteResult<T>) -> BoxliteResult<T> {
        match result {
            Err(error) => Err(self.core.explain(machine, error).await),
            ok => ok,
        }
    }

    pub(in crate::litebox) async fn reach(&self) -> BoxliteResult<(Arc<Machine>, FilesInterface)> {
        self.core.watches.stand().await;
        let machine = self.core.machine().await?;
        let interface = machine.session.files();
        Ok((machine, interface))
    }
}

/// A lost connection, with its reason where the machine is gone.
pub(in crate::litebox) async fn explained<T>(
    machine: &Arc<Machine>,
    result: BoxliteResult<T>,
) -> BoxliteResult<T> {
    match result {
        Err(error) => Err(machine.explain(error).await),
        ok => ok,
    }
}

/// A file that is being read. Clones share it.
#[derive(Debug, Clone)]
pub struct FileReader {
    machine: Arc<Machine>,
    closed: Arc<Notify>,
    state: Arc<Mutex<Reading>>,
}

#[derive(Debug)]
struct Reading {
    chunks: Option<Streaming<FileAnswer>>,
    left: u64,
}

impl FileReader {
    pub(crate) async fn begin(
        machine: Arc<Machine>,
        interface: &FilesInterface,
        request: FileReadRequest,
    ) -> BoxliteResult<Self> {
        let left = request.length.unwrap_or(u64::MAX);
        let chunks = explained(&machine, interface.read(request).await).await?;
        let state = Arc::new(Mutex::new(Reading { chunks: Some(chunks), left }));
        Ok(Self { machine, closed: Arc::default(), state })
    }

    /// The next bytes; `None` at the end.
    pub async fn pull(&self) -> BoxliteResult<Option<Bytes>> {
        let mut state = self.state.lock().await;
        let Some(chunks) = state.chunks.as_mut() else { return Ok(None) };
        let message = tokio::select! {
            biased;
            () = self.closed.notified() => Ok(None),
            message = chunks.message() => message,
        };
        let next = message.map_err(|status| from_status("read file", &status));
        let data = match next.and_then(|answer| answer.map(checked).transpose()) {
            Ok(answer) => answer.map(|answer| answer.data),
            Err(error) => {
                state.chunks = None;
                return Err(self.machine.explain(error).await);
            }
        };
        let length = data.as_ref().map_or(0, |data| data.len() as u64);
        if data.is_none() {
            state.chunks = None;
        } else if length == 0 || length > state.left {
            state.chunks = None;
            return Err(broken("read file", "a chunk of a size that was not asked for"));
        }
        state.left -= length;
        Ok(data)
    }

    /// Reads no more, and ends a `pull` that waits; the guest is told.
    pub fn close(&self) {
        self.closed.notify_one();
        if let Ok(mut state) = self.state.try_lock() {
            state.chunks = None;
        }
    }
}

/// A file that is being written. Clones share it.
#[derive(Debug, Clone)]
pub struct FileWriter {
    machine: Arc<Machine>,
    task: AbortHandle,
    state: Arc<Mutex<Writing>>,
}

#[derive(Debug)]
struct Writing {
    messages: Option<mpsc::Sender<FileWriteRequest>>,
    done: Option<JoinHandle<BoxliteResult<u64>>>,
    opened: Option<oneshot::Receiver<()>>,
    sent: u64,
}

impl FileWriter {
    pub(crate) async fn begin(
        machine: Arc<Machine>,
        interface: FilesInterface,
        first: FileWriteRequest,
    ) -> Self {
        let (messages, receiver) = mpsc::channel(AHEAD);
        let sent = first.data.len() as u64;
        let _ = messages.send(first).await;
        let (tell, opened) = oneshot::channel();
        let done = tokio::spawn(async move { interface.write(receiver, tell).await });
        let task = done.abort_handle();
        let state = Writing { messages: Some(messages), done: Some(done), opened: Some(opened), sent };
        Self { machine, task, state: Arc::new(Mutex::new(state)) }
    }

    /// Returns when the file is open.
    pub async fn opened(&self) -> BoxliteResult<()> {
        let Some(opened) = self.state.lock().await.opened.take() else { return Ok(()) };
        if opened.await.is_ok() {
            return Ok(());
        }
        let mut state = self.state.lock().await;
        // Whoever pushed meanwhile has been told why.
        if state.done.is_none() {
            return Ok(());
        }
        state.sent = 0;
        self.end(&mut state).await?;
        Err(broken("write file", "it ended before it was open"))
    }

    /// Breaks off, without waiting for anything; what the box has taken stays.
    pub fn abort(&self) {
        self.task.abort();
    }

    /// Hands on the next bytes; returns when there is room for more.
    pub async fn push(&self, mut data: Bytes) -> BoxliteResult<()> {
        let mut state = self.state.lock().await;
        while !data.is_empty() {
            let chunk = data.split_to(data.len().min(limits::FILE_CHUNK));
            state.sent += chunk.len() as u64;
            let message = FileWriteRequest { data: chunk, ..FileWriteRequest::default() };
            let sent = match &state.messages {
                Some(messages) => messages.send(message).await.is_ok(),
                None => false,
            };
            // The guest answers before the end only to tell of a failure.
            if !sent {
                state.sent = 0;
                self.end(&mut state).await?;
                return Err(broken("write file", "it ended before all was written"));
            }
        }
        Ok(())
    }

    /// Ends the file; returns when all is written, with how much that was.
    pub async fn finish(&self) -> BoxliteResult<u64> {
        let mut state = self.state.lock().await;
        let written = self.end(&mut state).await?;
        // Short of an error, a box has written all that it was sent.
        if written != mem::take(&mut state.sent) {
            return Err(broken(
                "write file",
                &format!("it tells of {written} bytes, which is not what it was sent"),
            ));
        }
        Ok(written)
    }

    async fn end(&self, state: &mut Writing) -> BoxliteResult<u64> {
        state.messages = None;
        let Some(done) = state.done.take() else { return Ok(0) };
        let written = done.await.unwrap_or_else(|error| {
            let code = if error.is_cancelled() { ErrorCode::Aborted } else { ErrorCode::Internal };
            Err(BoxliteError::new(code, "write file").caused_by(error))
        });
        explained(&self.machine, written).await
    }
}

/// A path that is being watched. Clones share it.
#[derive(Debug, Clone)]
pub struct FileWatcher {
    machine: Arc<Machine>,
    closed: Arc<Notify>,
    changes: Arc<Mutex<Option<Streaming<FileWatchAnswer>>>>,
}

impl FileWatcher {
    /// What changed; waits for it. `None` once the watch is over.
    pub async fn next(&self) -> BoxliteResult<Option<Vec<FileChange>>> {
        let mut state = self.changes.lock().await;
        let Some(changes) = state.as_mut() else { return Ok(None) };
        let message = tokio::select! {
            biased;
            () = self.closed.notified() => Ok(None),
            message = changes.message() => message,
        };
        let next = match message {
            Ok(Some(FileWatchAnswer { error: Some(error), .. })) => Err(refused(&error)),
            Ok(answer) => Ok(answer.map(|answer| answer.changes)),
            Err(status) => Err(from_status("watch", &status)),
        };
        if !matches!(next, Ok(Some(_))) {
            *state = None;
        }
        drop(state);
        explained(&self.machine, next).await
    }

    /// Ends the watch, and with it a `next` that waits.
    pub fn close(&self) {
        self.closed.notify_one();
        if let Ok(mut state) = self.changes.try_lock() {
            *state = None;
        }
    }
}
