//! `ArchiveWriter`: a tar stream into a box. Made by `Files::unpack_in`.

use std::sync::Arc;

use boxlite_error::{BoxliteError, BoxliteResult, ErrorCode};
use boxlite_portal::{ArchiveTarget, FilesInterface};
use boxlite_wire::limits;
use bytes::Bytes;
use tokio::{
    sync::{Mutex, mpsc},
    task::JoinHandle,
};

use crate::litebox::lifecycle::machine::Machine;

/// Chunks between the caller and the wire.
const AHEAD: usize = 4;

/// A tar stream that is being unpacked in a box. Clones share it.
#[derive(Debug, Clone)]
pub struct ArchiveWriter {
    machine: Arc<Machine>,
    state: Arc<Mutex<Sending>>,
}

#[derive(Debug)]
struct Sending {
    chunks: Option<mpsc::Sender<Bytes>>,
    done: Option<JoinHandle<BoxliteResult<()>>>,
}

impl ArchiveWriter {
    pub(super) fn begin(machine: Arc<Machine>, interface: FilesInterface, target: ArchiveTarget) -> Self {
        let (chunks, receiver) = mpsc::channel(AHEAD);
        let done = tokio::spawn(async move { interface.copy_in(target, receiver).await });
        let state = Sending { chunks: Some(chunks), done: Some(done) };
        Self { machine, state: Arc::new(Mutex::new(state)) }
    }

    /// Hands on the next bytes, and returns when there is room for more. What follows an archive's end is dropped.
    ///
    /// # Errors
    ///
    /// What came of unpacking this or earlier bytes; the archive is over then.
    pub async fn push(&self, mut data: Bytes) -> BoxliteResult<()> {
        let mut state = self.state.lock().await;
        while !data.is_empty() {
            let chunk = data.split_to(data.len().min(limits::FILE_CHUNK));
            let Some(chunks) = &state.chunks else { return Ok(()) };
            if chunks.send(chunk).await.is_err() {
                return self.end(&mut state).await;
            }
        }
        Ok(())
    }

    /// Ends the archive, and returns when it is unpacked.
    ///
    /// # Errors
    ///
    /// A `FileFault` for what the box's kernel refused; `ARCHIVE_INVALID` for what is no tar archive.
    pub async fn finish(&self) -> BoxliteResult<()> {
        self.end(&mut *self.state.lock().await).await
    }

    /// Breaks off; the box keeps what was unpacked.
    pub async fn abort(&self) {
        let mut state = self.state.lock().await;
        if let Some(done) = state.done.take() {
            done.abort();
        }
        state.chunks = None;
    }

    async fn end(&self, state: &mut Sending) -> BoxliteResult<()> {
        state.chunks = None;
        let Some(done) = state.done.take() else { return Ok(()) };
        let unpacked = done
            .await
            .unwrap_or_else(|error| Err(BoxliteError::new(ErrorCode::Internal, "copy in").caused_by(error)));
        self.machine.explained(unpacked).await
    }
}
