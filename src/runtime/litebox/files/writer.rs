//! `FileWriter`: a file that is written chunk by chunk. Made by `Files::write_stream` and `OpenFile::write_stream`.

use std::sync::Arc;

use boxlite_error::BoxliteResult;
use boxlite_portal::{FileTarget, FilesInterface, WriteOptions, broken};
use bytes::Bytes;
use tokio::sync::{Mutex, oneshot};

use crate::litebox::{files::upload::Upload, lifecycle::machine::Machine};

/// Chunks between the caller and the wire.
const AHEAD: usize = 2;

/// A file that is being written. Bytes may be pushed before it is open. Clones share it.
#[derive(Debug, Clone)]
pub struct FileWriter {
    upload: Arc<Upload<u64>>,
    opened: Arc<Mutex<Option<oneshot::Receiver<()>>>>,
}

impl FileWriter {
    pub(crate) fn begin(
        machine: Arc<Machine>,
        interface: FilesInterface,
        target: FileTarget,
        options: WriteOptions,
    ) -> Self {
        let (sender, opened) = oneshot::channel();
        let send = |chunks| async move { interface.write(target, options, chunks, sender).await };
        let upload = Arc::new(Upload::begin(machine, "write file", AHEAD, send));
        Self { upload, opened: Arc::new(Mutex::new(Some(opened))) }
    }

    /// Waits until the file is open.
    ///
    /// # Errors
    ///
    /// A `FileFault` for what the box's kernel refused, unless a push has returned it before.
    pub async fn opened(&self) -> BoxliteResult<()> {
        let Some(opened) = self.opened.lock().await.take() else { return Ok(()) };
        // A push that came meanwhile may have returned the error.
        if opened.await.is_ok() || self.upload.is_over().await {
            return Ok(());
        }
        self.upload.finish().await?;
        Err(broken("write file", "it ended before it was open"))
    }

    /// Breaks off without waiting; what the box has taken stays.
    pub fn abort(&self) {
        self.upload.abort();
    }

    /// Hands on the next bytes, and returns when there is room for more.
    ///
    /// # Errors
    ///
    /// A `FileFault` for what the box's kernel refused of this or of earlier bytes; the file is over then.
    pub async fn push(&self, data: Bytes) -> BoxliteResult<()> {
        if self.upload.push(data).await? {
            return Ok(());
        }
        Err(broken("write file", "it ended before all was written"))
    }

    /// Ends the file. Returns the number of bytes when all are written.
    ///
    /// # Errors
    ///
    /// A `FileFault` for what the box's kernel refused, unless a push has returned it before.
    pub async fn finish(&self) -> BoxliteResult<u64> {
        let (written, sent) = self.upload.finish().await?;
        // Without an error, a box has written all that it was sent.
        if written != sent {
            let how = format!("it reports {written} bytes, which is not what it was sent");
            return Err(broken("write file", &how));
        }
        Ok(written)
    }
}
