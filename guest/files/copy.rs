//! Whole trees in and out, as tar streams. Called by the Files service; the archive itself is `boxlite-archive`'s.

use std::sync::Arc;

use boxlite_archive::{Error as ArchiveError, Meter, PipeReader, PipeWriter, Place, Unpack, pack, unpack};
use boxlite_proto::{
    limits,
    v1::{CopyInRequest, CopyOutRequest, FileAnswer, FileError},
};
use bytes::Bytes;
use futures::{Stream, StreamExt as _, stream};
use tokio::sync::{mpsc, oneshot};

use super::{
    Files,
    call::path_of,
    fault::{Outcome, archive_fault},
};
use crate::{Error, Kind, Result};

/// Chunks under way between the wire and the thread.
const AHEAD: usize = 4;

/// An archive on its way in.
pub(crate) struct CopyIn {
    chunks: mpsc::Sender<Option<Bytes>>,
    done: oneshot::Receiver<Result<Outcome<()>>>,
    meter: Arc<Meter>,
}

impl Files {
    /// Begins to unpack where `first` says.
    pub(crate) async fn copy_in(&self, first: &CopyInRequest) -> Result<CopyIn> {
        let (chunks, receiver) = mpsc::channel(AHEAD);
        let (tell, done) = oneshot::channel();
        let CopyInRequest { path, exact, owners, .. } = first.clone();
        let (files, permit, meter) = (self.clone(), self.long().await?, Arc::new(Meter::default()));
        let counted = Arc::clone(&meter);
        tokio::spawn(async move {
            let unpacked = files.run(move || {
                let path = path_of(&path);
                let place = if exact { Place::exactly(path) } else { Place::folder(path) };
                let options = Unpack { owners, special_bits: true, ..Unpack::default() };
                place
                    .and_then(|place| unpack(PipeReader::new(receiver), &place, options, &counted))
                    .map_err(|error| archive_fault(&error))
            });
            let _ = tell.send(unpacked.await);
            drop(permit);
        });
        Ok(CopyIn { chunks, done, meter })
    }

    /// Packs what `request` names. The last answer is an error, or counts what was left out.
    pub(crate) async fn copy_out(
        &self,
        request: CopyOutRequest,
    ) -> Result<impl Stream<Item = FileAnswer> + Send + use<>> {
        let (chunks, receiver) = mpsc::channel(AHEAD);
        let (files, permit) = (self.clone(), self.long().await?);
        let (tell, done) = oneshot::channel();
        tokio::spawn(async move {
            let packed = files.run(move || {
                let path = path_of(&request.path);
                let name = if request.name.is_empty() { path.file_name() } else { None };
                let name = name.map_or(path_of(&request.name), std::path::Path::new);
                let name = if name.as_os_str().is_empty() { std::path::Path::new(".") } else { name };
                let (writer, meter) = (PipeWriter::new(chunks, limits::FILE_CHUNK), Meter::default());
                match pack(path, name, writer, &meter) {
                    // The host has gone away, and nobody is left to tell.
                    Err(ArchiveError::Stream(_)) => Ok(0),
                    packed => {
                        packed.map(|()| meter.progress().skipped).map_err(|error| archive_fault(&error))
                    }
                }
            });
            let packed = packed
                .await
                .unwrap_or_else(|error| Err(FileError { message: error.chain(), ..FileError::default() }));
            let _ = tell.send(match packed {
                Ok(count) => FileAnswer { count, ..FileAnswer::default() },
                Err(error) => FileAnswer { error: Some(error), ..FileAnswer::default() },
            });
            drop(permit);
        });
        let data = tokio_stream::wrappers::ReceiverStream::new(receiver)
            .map(|data| FileAnswer { data, ..FileAnswer::default() });
        Ok(data.chain(stream::once(done).filter_map(|end| async { end.ok() })))
    }
}

impl CopyIn {
    /// Hands on bytes of the archive; `None` is its end. False: the archive needs no more, or failed.
    pub(crate) async fn push(&self, data: Option<Bytes>) -> bool {
        self.chunks.send(data).await.is_ok()
    }

    /// What came of it. An archive whose end was not pushed has broken off.
    pub(crate) async fn finish(self) -> Result<FileAnswer> {
        drop(self.chunks);
        let done = self.done.await;
        let unpacked =
            done.unwrap_or_else(|_| Err(Error::new(Kind::State, "copy in: the container is ending")))?;
        Ok(FileAnswer {
            error: unpacked.err(),
            count: self.meter.progress().entries,
            ..FileAnswer::default()
        })
    }
}
