//! Copies from host to box, each in one stream: `Files::copy_in` of a tree, `Files::unpack_in` of a tar stream of the caller's.

use std::{
    path::{Path, PathBuf},
    pin::pin,
    sync::Arc,
};

use boxlite_archive::{Error as ArchiveError, Meter, PipeWriter, send};
use boxlite_error::BoxliteResult;
use boxlite_portal::{ArchiveTarget, FilesInterface};
use boxlite_wire::limits;
use bytes::Bytes;
use tokio::{sync::mpsc, task::JoinHandle};

use crate::litebox::files::{
    archive_error::{from_archive, joined},
    archive_writer::ArchiveWriter,
    upload::AHEAD,
    verbs::Files,
};

/// How to copy into a box.
#[derive(Debug, Clone, Default)]
pub struct CopyInto {
    /// To whom the copy belongs, as commands name a user. Default: to root; for a tar stream, to whom it names.
    pub owner: Option<String>,
    /// Whether what is of another type gives way. Default: no.
    pub replace: bool,
    /// Copy extended attributes, too. Not of a tar stream. Default: no.
    pub xattrs: bool,
}

impl Files {
    /// Copies the file or tree at `from` on the host to `to` in the box. Progress is counted in `meter`.
    ///
    /// # Errors
    ///
    /// A `FileFault` of either side; what was copied before stays.
    pub async fn copy_in(
        &self,
        from: impl AsRef<Path> + Send,
        to: impl AsRef<Path> + Send,
        how: CopyInto,
        meter: Arc<Meter>,
    ) -> BoxliteResult<()> {
        let (machine, interface) = self.reach().await?;
        let from = from.as_ref().to_owned();
        let CopyInto { owner, replace, xattrs } = how;
        let name = from.file_name().map_or_else(|| PathBuf::from("root"), PathBuf::from);
        let target = ArchiveTarget { path: to.as_ref().to_owned(), tree: true, name, owner, replace };
        let (chunks, packed) = mpsc::channel(AHEAD);
        let pack = move || send(&from, xattrs, PipeWriter::new(chunks, limits::FILE_CHUNK), &meter);
        let packing = machine.handle.spawn_blocking(pack);
        self.core.explained(&machine, pin!(unpack(&interface, target, packed, packing))).await
    }

    /// Unpacks a tar stream beneath the directory `to` in the box, with the owners that it names unless `how` names another.
    ///
    /// # Errors
    ///
    /// Those of [`LiteBox::start`](crate::LiteBox::start); what comes of the unpacking is an error of the writer.
    pub async fn unpack_in(
        &self,
        to: impl AsRef<Path> + Send,
        how: CopyInto,
    ) -> BoxliteResult<ArchiveWriter> {
        let (machine, interface) = self.reach().await?;
        let CopyInto { owner, replace, .. } = how;
        let path = to.as_ref().to_owned();
        let target = ArchiveTarget { path, owner, replace, ..ArchiveTarget::default() };
        Ok(ArchiveWriter::begin(machine, interface, target))
    }
}

/// Sends what a thread packs, and returns when the guest has unpacked it.
async fn unpack(
    interface: &FilesInterface,
    target: ArchiveTarget,
    mut packed: mpsc::Receiver<Bytes>,
    packing: JoinHandle<Result<(), ArchiveError>>,
) -> BoxliteResult<()> {
    let (chunks, receiver) = mpsc::channel(AHEAD);
    let sending = async move {
        while let Some(data) = packed.recv().await {
            if chunks.send(data).await.is_err() {
                break;
            }
        }
        drop(packed);
        // A tree that could not be packed whole must not end like one that was: its sender is kept.
        joined(packing.await).map_err(|error| (chunks, error))
    };
    let unpacking = interface.copy_in(target, receiver);
    tokio::pin!(unpacking, sending);
    let mut sent = None;
    loop {
        tokio::select! {
            biased;
            done = &mut unpacking => return done,
            packed = &mut sending, if sent.is_none() => match packed {
                Err((_, error)) if !matches!(error, ArchiveError::Stream(_)) => return Err(from_archive(&error)),
                packed => sent = Some(packed),
            },
        }
    }
}
