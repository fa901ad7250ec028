//! `Upload`: bytes that are sent to the guest by a task while a caller hands them on. `FileWriter` and `ArchiveWriter` are made of it.

use std::{mem, pin::pin, sync::Arc};

use boxlite_error::{BoxliteError, BoxliteResult, ErrorCode};
use boxlite_wire::limits;
use bytes::Bytes;
use tokio::{
    sync::{Mutex, mpsc},
    task::{AbortHandle, JoinHandle},
};

use crate::litebox::lifecycle::machine::Machine;

/// Chunks of a tree or an archive that may wait between their maker and their reader.
pub(super) const AHEAD: usize = 4;

/// An upload whose task returns a `T`.
#[derive(Debug)]
pub(super) struct Upload<T> {
    machine: Arc<Machine>,
    /// What errors call it.
    what: &'static str,
    task: AbortHandle,
    state: Mutex<State<T>>,
}

#[derive(Debug)]
struct State<T> {
    chunks: Option<mpsc::Sender<Bytes>>,
    done: Option<JoinHandle<BoxliteResult<T>>>,
    sent: u64,
}

impl<T: Default + Send + 'static> Upload<T> {
    /// Begins an upload in which `ahead` chunks may wait between the caller and `task`.
    pub(super) fn begin<F>(
        machine: Arc<Machine>,
        what: &'static str,
        ahead: usize,
        task: impl FnOnce(mpsc::Receiver<Bytes>) -> F,
    ) -> Self
    where
        F: Future<Output = BoxliteResult<T>> + Send + 'static,
    {
        let (chunks, receiver) = mpsc::channel(ahead);
        let done = machine.handle.spawn(task(receiver));
        let task = done.abort_handle();
        let state = Mutex::new(State { chunks: Some(chunks), done: Some(done), sent: 0 });
        Self { machine, what, task, state }
    }

    /// Hands on the next bytes, and returns when there is room for more. Returns `false` if the task has ended without taking them all.
    ///
    /// # Errors
    /// What the task failed with, once.
    pub(super) async fn push(&self, mut data: Bytes) -> BoxliteResult<bool> {
        let mut state = self.state.lock().await;
        while !data.is_empty() {
            let chunk = data.split_to(data.len().min(limits::FILE_CHUNK));
            state.sent += chunk.len() as u64;
            let sent = match &state.chunks {
                Some(chunks) => chunks.send(chunk).await.is_ok(),
                None => false,
            };
            // The guest answers before the end only if it needs no more, or something failed.
            if !sent {
                return self.end(&mut state).await.map(|_| false);
            }
        }
        Ok(true)
    }

    /// Ends the input. Returns what the task returns, and how many bytes were handed on; both are 0 if that was returned before.
    ///
    /// # Errors
    /// What the task failed with, unless a push has returned it before; `ABORTED` after [`abort`](Self::abort).
    pub(super) async fn finish(&self) -> BoxliteResult<(T, u64)> {
        self.end(&mut *self.state.lock().await).await
    }

    /// Whether what the task returned has been handed to the caller.
    pub(super) async fn is_over(&self) -> bool {
        self.state.lock().await.done.is_none()
    }

    /// Breaks off without waiting.
    pub(super) fn abort(&self) {
        self.task.abort();
    }

    async fn end(&self, state: &mut State<T>) -> BoxliteResult<(T, u64)> {
        state.chunks = None;
        let sent = mem::take(&mut state.sent);
        let Some(done) = state.done.take() else { return Ok((T::default(), sent)) };
        let done = async {
            done.await.unwrap_or_else(|error| {
                let code = if error.is_cancelled() { ErrorCode::Aborted } else { ErrorCode::Internal };
                Err(BoxliteError::new(code, self.what).caused_by(error))
            })
        };
        Ok((self.machine.explained(pin!(done)).await?, sent))
    }
}
