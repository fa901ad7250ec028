//! `FileWriter`: a file that is written piece by piece. Made by `Files::write_stream` and `OpenFile::write_stream`.

use std::{mem, sync::Arc};

use boxlite_error::{BoxliteError, BoxliteResult, ErrorCode};
use boxlite_portal::{FileTarget, FilesInterface, WriteOptions, broken};
use boxlite_wire::limits;
use bytes::Bytes;
use tokio::{
    sync::{Mutex, mpsc, oneshot},
    task::{AbortHandle, JoinHandle},
};

use crate::litebox::lifecycle::machine::Machine;

/// Chunks between the caller and the wire.
const AHEAD: usize = 2;

/// A file that is being written. Bytes may be pushed before it is open. Clones share it.
#[derive(Debug, Clone)]
pub struct FileWriter {
    machine: Arc<Machine>,
    task: AbortHandle,
    state: Arc<Mutex<Writing>>,
}

#[derive(Debug)]
struct Writing {
    chunks: Option<mpsc::Sender<Bytes>>,
    done: Option<JoinHandle<BoxliteResult<u64>>>,
    opened: Option<oneshot::Receiver<()>>,
    sent: u64,
}

impl FileWriter {
    pub(crate) fn begin(
        machine: Arc<Machine>,
        interface: FilesInterface,
        target: FileTarget,
        options: WriteOptions,
    ) -> Self {
        let (chunks, receiver) = mpsc::channel(AHEAD);
        let (sender, opened) = oneshot::channel();
        let done = tokio::spawn(async move { interface.write(target, options, receiver, sender).await });
        let task = done.abort_handle();
        let state = Writing { chunks: Some(chunks), done: Some(done), opened: Some(opened), sent: 0 };
        Self { machine, task, state: Arc::new(Mutex::new(state)) }
    }

    /// Waits until the file is open.
    ///
    /// # Errors
    ///
    /// A `FileFault` for what the box's kernel refused, unless a push has returned it before.
    pub async fn opened(&self) -> BoxliteResult<()> {
        let Some(opened) = self.state.lock().await.opened.take() else { return Ok(()) };
        if opened.await.is_ok() {
            return Ok(());
        }
        let mut state = self.state.lock().await;
        // A push that came meanwhile has returned the error.
        if state.done.is_none() {
            return Ok(());
        }
        state.sent = 0;
        self.end(&mut state).await?;
        Err(broken("write file", "it ended before it was open"))
    }

    /// Breaks off without waiting; what the box has taken stays.
    pub fn abort(&self) {
        self.task.abort();
    }

    /// Hands on the next bytes, and returns when there is room for more.
    ///
    /// # Errors
    ///
    /// A `FileFault` for what the box's kernel refused of this or of earlier bytes; the file is over then.
    pub async fn push(&self, mut data: Bytes) -> BoxliteResult<()> {
        let mut state = self.state.lock().await;
        while !data.is_empty() {
            let chunk = data.split_to(data.len().min(limits::FILE_CHUNK));
            state.sent += chunk.len() as u64;
            let sent = match &state.chunks {
                Some(chunks) => chunks.send(chunk).await.is_ok(),
                None => false,
            };
            // The guest answers before the end only if something failed.
            if !sent {
                state.sent = 0;
                self.end(&mut state).await?;
                return Err(broken("write file", "it ended before all was written"));
            }
        }
        Ok(())
    }

    /// Ends the file. Returns the number of bytes when all are written.
    ///
    /// # Errors
    ///
    /// A `FileFault` for what the box's kernel refused, unless a push has returned it before.
    pub async fn finish(&self) -> BoxliteResult<u64> {
        let mut state = self.state.lock().await;
        let written = self.end(&mut state).await?;
        // Without an error, a box has written all that it was sent.
        if written != mem::take(&mut state.sent) {
            let how = format!("it reports {written} bytes, which is not what it was sent");
            return Err(broken("write file", &how));
        }
        Ok(written)
    }

    async fn end(&self, state: &mut Writing) -> BoxliteResult<u64> {
        state.chunks = None;
        let Some(done) = state.done.take() else { return Ok(0) };
        let written = done.await.unwrap_or_else(|error| {
            let code = if error.is_cancelled() { ErrorCode::Aborted } else { ErrorCode::Internal };
            Err(BoxliteError::new(code, "write file").caused_by(error))
        });
        self.machine.explained(written).await
    }
}
