//! Copies trees into the container and out of it, as streams. Called by the Files service; the streams are `boxlite-archive`'s.

use std::{path::Path, sync::Arc};

use boxlite_archive::{
    Error as ArchiveError, Meter, Owner, PipeReader, PipeWriter, Rules, pack, receive, send, unpack,
};
use boxlite_proto::v1::{CopyInRequest, CopyOutRequest, FileAnswer, FileError, FileRefusal};
use boxlite_wire::limits;
use bytes::Bytes;
use futures::{Stream, StreamExt as _, stream};
use nix::libc;
use tokio::sync::{mpsc, oneshot};
use tokio_stream::wrappers::ReceiverStream;

use super::{
    fault::{Fault, Outcome, archive_fault},
    path::path_of,
    pool::Files,
};
use crate::{Error, Kind, Result, container::Accounts};

/// Chunks that wait between the connection and the thread.
const AHEAD: usize = 4;

/// An archive that is being received.
pub(crate) struct CopyIn {
    chunks: mpsc::Sender<Option<Bytes>>,
    done: oneshot::Receiver<Result<(), Fault>>,
    meter: Arc<Meter>,
}

impl Files {
    /// Begins to unpack into the path of `first`.
    pub(crate) async fn copy_in(&self, first: &CopyInRequest) -> Result<CopyIn> {
        let (chunks, receiver) = mpsc::channel(AHEAD);
        let (sender, done) = oneshot::channel();
        let request = CopyInRequest { data: Bytes::new(), ..first.clone() };
        let (files, permit, meter) = (self.clone(), self.long().await?, Arc::new(Meter::default()));
        let counted = Arc::clone(&meter);
        tokio::spawn(async move {
            let unpacked = files.run(move || receive_archive(&request, PipeReader::new(receiver), &counted));
            let _ = sender.send(unpacked.await);
            drop(permit);
        });
        Ok(CopyIn { chunks, done, meter })
    }

    /// Packs what `request` names. The last answer is an error, or counts what was left out.
    pub(crate) async fn copy_out(
        &self,
        request: CopyOutRequest,
    ) -> Result<impl Stream<Item = Result<FileAnswer>> + Send + use<>> {
        let (chunks, receiver) = mpsc::channel(AHEAD);
        let (files, permit) = (self.clone(), self.long().await?);
        let (sender, done) = oneshot::channel();
        tokio::spawn(async move {
            let packed = files.run(move || {
                let (writer, meter) = (PipeWriter::new(chunks, limits::FILE_CHUNK), Meter::default());
                // If the host has gone away, nobody receives the answer.
                let packed = send_archive(&request, writer, &meter);
                let count =
                    packed.map(|()| meter.progress().skipped).map_err(|error| archive_fault(&error))?;
                Ok::<_, FileError>(FileAnswer { count, ..FileAnswer::default() })
            });
            let _ = sender.send(packed.await.or_else(Fault::answered));
            drop(permit);
        });
        let data = ReceiverStream::new(receiver).map(|data| Ok(FileAnswer { data, ..FileAnswer::default() }));
        Ok(data.chain(stream::once(done).filter_map(|end| async { end.ok() })))
    }
}

impl CopyIn {
    /// Passes on bytes of the archive, or its end (`None`). Returns false if no more are needed, also after a failure.
    pub(crate) async fn push(&self, data: Option<Bytes>) -> bool {
        self.chunks.send(data).await.is_ok()
    }

    /// The result. An archive whose end was not pushed is incomplete, which is a failure.
    pub(crate) async fn finish(self) -> Result<FileAnswer> {
        drop(self.chunks);
        let ending = |_| Error::new(Kind::State, "copy in: the container is ending");
        let answer = self.done.await.map_err(ending)?.map(|()| FileAnswer::default());
        Ok(FileAnswer { count: self.meter.progress().entries, ..answer.or_else(Fault::answered)? })
    }
}

fn receive_archive(request: &CopyInRequest, stream: PipeReader, meter: &Meter) -> Outcome<()> {
    let path = path_of(&request.path);
    let owner = match request.owner.as_str() {
        "" if request.owners => Owner::Named,
        "" => Owner::Caller,
        owner => owner_of(owner)?,
    };
    let rules = Rules { owner, special_bits: true, replace: request.replace, ..Rules::default() };
    let taken = if request.tree {
        receive(stream, path, path_of(&request.name).as_os_str(), rules, meter).map(drop)
    } else {
        unpack(stream, path, rules, meter)
    };
    taken.map_err(|error| archive_fault(&error))
}

/// A user as in commands: "app", "1000", "app:staff", "1000:1000".
fn owner_of(owner: &str) -> Outcome<Owner> {
    let user = Accounts::default().look_up(owner);
    let user = user.map_err(|message| FileError {
        errno: libc::EINVAL,
        syscall: String::from("chown"),
        message: format!("owner {owner:?}: {message}"),
        refusal: FileRefusal::ExecUser.into(),
        ..FileError::default()
    })?;
    Ok(Owner::Of(user.uid, user.gid))
}

fn send_archive(request: &CopyOutRequest, out: PipeWriter, meter: &Meter) -> Result<(), ArchiveError> {
    let path = path_of(&request.path);
    if request.tree {
        return send(path, request.xattrs, out, meter);
    }
    let name = if request.name.is_empty() { path.file_name() } else { None };
    let name = name.map_or(path_of(&request.name), Path::new);
    let name = if name.as_os_str().is_empty() { Path::new(".") } else { name };
    pack(path, name, request.xattrs, out, meter)
}
