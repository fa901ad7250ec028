//! `FileStream`: what comes out of a box chunk by chunk. Made by `Files`: the contents of a file, a listing, an archive, changes.

use std::{
    fmt::{self, Debug, Formatter},
    pin::pin,
    sync::Arc,
};

use boxlite_error::BoxliteResult;
use boxlite_portal::Chunks;
use futures::TryStreamExt as _;
use tokio::sync::{Mutex, Notify};

use crate::litebox::lifecycle::machine::Machine;

/// What comes out of a box chunk by chunk: bytes of a file or an archive, entries of a directory, changes of a watched path.
/// Each chunk is fetched by [`next`](Self::next), so a reader that pauses holds the box back. Clones share the stream.
pub struct FileStream<T>(Arc<Inner<T>>);

struct Inner<T> {
    machine: Arc<Machine>,
    closed: Notify,
    chunks: Mutex<Option<Chunks<T>>>,
}

impl<T> FileStream<T> {
    pub(crate) fn new(machine: Arc<Machine>, chunks: Chunks<T>) -> Self {
        Self(Arc::new(Inner { machine, closed: Notify::new(), chunks: Mutex::new(Some(chunks)) }))
    }

    /// Waits for the next chunk. Returns `None` at the end, and when the stream was closed.
    ///
    /// # Errors
    ///
    /// A `FileFault` for what the box's kernel refused, `PORTAL_LOST` if the box ended. The stream is over then.
    pub async fn next(&self) -> BoxliteResult<Option<T>> {
        let next = async {
            let mut state = self.0.chunks.lock().await;
            let Some(chunks) = state.as_mut() else { return Ok(None) };
            let next = tokio::select! {
                biased;
                () = self.0.closed.notified() => Ok(None),
                next = chunks.try_next() => next,
            };
            if !matches!(next, Ok(Some(_))) {
                *state = None;
            }
            next
        };
        self.0.machine.explained(pin!(next)).await
    }

    /// Ends the stream, and with it a [`next`](Self::next) that waits; the guest stops sending.
    pub fn close(&self) {
        self.0.closed.notify_one();
        if let Ok(mut chunks) = self.0.chunks.try_lock() {
            *chunks = None;
        }
    }
}

impl<T> Clone for FileStream<T> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

impl<T> Debug for FileStream<T> {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        f.debug_struct("FileStream").finish_non_exhaustive()
    }
}
