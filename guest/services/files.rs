//! The Files service: files of the container.
//!
//! Called by the host over gRPC; calls `files`.

use boxlite_proto::v1::{
    CopyInRequest, CopyOutRequest, FileAnswer, FileRequest, FileWatchAnswer, files_server::Files as FilesRpc,
};
use futures::{StreamExt as _, future, stream};
use tokio_stream::wrappers::ReceiverStream;
use tonic::{Request, Response, Status, Streaming};

use super::{Answer, Answers};
use crate::{
    Result,
    files::{Fault, Files, Writing},
};

#[derive(Clone)]
pub(super) struct FilesService(pub(super) Files);

#[tonic::async_trait]
impl FilesRpc for FilesService {
    async fn call(&self, request: Request<FileRequest>) -> Answer<FileAnswer> {
        Ok(Response::new(self.0.call(request.into_inner()).await?))
    }

    type ReadDirectoryStream = Answers<FileAnswer>;

    async fn read_directory(&self, request: Request<FileRequest>) -> Answer<Self::ReadDirectoryStream> {
        let batches = ReceiverStream::new(self.0.read_directory(request.into_inner()).await?);
        Ok(Response::new(batches.map(|batch| batch.map_err(Status::from)).boxed()))
    }

    type ReadStream = Answers<FileAnswer>;

    async fn read(&self, request: Request<FileRequest>) -> Answer<Self::ReadStream> {
        let chunks = self.0.read(request.into_inner());
        Ok(Response::new(chunks.map(|chunk| chunk.map_err(Status::from)).boxed()))
    }

    type WriteStream = Answers<FileAnswer>;

    async fn write(&self, request: Request<Streaming<FileRequest>>) -> Answer<Self::WriteStream> {
        let mut messages = request.into_inner();
        let only = |answer| Ok(Response::new(stream::iter([Ok(answer)]).boxed()));
        let Some(first) = messages.message().await? else { return only(FileAnswer::default()) };
        if first.whole {
            return only(counted(self.0.write_whole(first).await)?);
        }
        let writing = match Writing::begin(&self.0, &first).await {
            Ok(writing) => writing,
            Err(fault) => return only(fault.answered()?),
        };
        // The first answer says that the file is open.
        let opened = future::ready(Ok(FileAnswer::default()));
        Ok(Response::new(stream::once(opened).chain(stream::once(write(writing, first, messages))).boxed()))
    }

    type WatchStream = Answers<FileWatchAnswer>;

    async fn watch(&self, request: Request<FileRequest>) -> Answer<Self::WatchStream> {
        let answered = |change: Result<_, Fault>| match change {
            Err(Fault::Call(error)) => Ok(FileWatchAnswer { error: Some(error), changes: vec![] }),
            Err(Fault::Agent(error)) => Err(Status::from(error)),
            Ok(change) => Ok(change),
        };
        Ok(Response::new(match self.0.watch(request.into_inner()).await {
            Ok(changes) => changes.map(answered).boxed(),
            Err(fault) => stream::iter([Ok(answered(Err(fault))?)]).boxed(),
        }))
    }

    async fn copy_in(&self, request: Request<Streaming<CopyInRequest>>) -> Answer<FileAnswer> {
        let mut messages = request.into_inner();
        let Some(first) = messages.message().await? else { return Ok(Response::new(FileAnswer::default())) };
        let copy = self.0.copy_in(&first).await?;
        let mut next = Some(first);
        loop {
            let data = next.map(|message| message.data);
            let last = data.is_none();
            // The copy of a stream that breaks is dropped without its end, which is how the copy recognises that.
            if !data.as_ref().is_some_and(bytes::Bytes::is_empty) && !copy.push(data).await || last {
                break;
            }
            next = messages.message().await?;
        }
        Ok(Response::new(copy.finish().await?))
    }

    type CopyOutStream = Answers<FileAnswer>;

    async fn copy_out(&self, request: Request<CopyOutRequest>) -> Answer<Self::CopyOutStream> {
        let chunks = self.0.copy_out(request.into_inner()).await?;
        Ok(Response::new(chunks.map(|chunk| chunk.map_err(Status::from)).boxed()))
    }
}

/// Writes all that the host sends.
async fn write(
    mut writing: Writing,
    first: FileRequest,
    mut messages: Streaming<FileRequest>,
) -> Result<FileAnswer, Status> {
    let mut next = Some(first);
    while let Some(message) = next {
        if let Err(fault) = writing.push(message).await {
            return Ok(fault.answered()?);
        }
        next = messages.message().await?;
    }
    Ok(counted(writing.finish().await)?)
}

fn counted(written: Result<u64, Fault>) -> Result<FileAnswer> {
    written.map(|count| FileAnswer { count, ..FileAnswer::default() }).or_else(Fault::answered)
}
