//! `ArchiveWriter`: a tar stream into a box. Made by `Files::unpack_in`.

use std::sync::Arc;

use boxlite_error::BoxliteResult;
use boxlite_portal::{ArchiveTarget, FilesInterface};
use bytes::Bytes;

use crate::litebox::{
    files::upload::{AHEAD, Upload},
    lifecycle::machine::Machine,
};

/// A tar stream that is being unpacked in a box. Clones share it.
#[derive(Debug, Clone)]
pub struct ArchiveWriter(Arc<Upload<()>>);

impl ArchiveWriter {
    pub(super) fn begin(machine: Arc<Machine>, interface: FilesInterface, target: ArchiveTarget) -> Self {
        let send = |chunks| async move { interface.copy_in(target, chunks).await };
        Self(Arc::new(Upload::begin(machine, "copy in", AHEAD, send)))
    }

    /// Hands on the next bytes, and returns when there is room for more. What follows an archive's end is dropped.
    ///
    /// # Errors
    ///
    /// What came of unpacking this or earlier bytes; the archive is over then.
    pub async fn push(&self, data: Bytes) -> BoxliteResult<()> {
        self.0.push(data).await.map(drop)
    }

    /// Ends the archive, and returns when it is unpacked.
    ///
    /// # Errors
    ///
    /// A `FileFault` for what the box's kernel refused; `ARCHIVE_INVALID` for what is no tar archive.
    pub async fn finish(&self) -> BoxliteResult<()> {
        self.0.finish().await.map(drop)
    }

    /// Breaks off; the box keeps what was unpacked.
    pub async fn abort(&self) {
        self.0.abort();
        // The caller knows that it was aborted.
        let _ = self.finish().await;
    }
}
