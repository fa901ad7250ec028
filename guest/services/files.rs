//! The Files service: files of the container.
//!
//! Called by the host over gRPC; calls `files`.

use std::pin::Pin;

use boxlite_proto::v1::{
    CopyInRequest, CopyOutRequest, FileAnswer, FileError, FileReadRequest, FileRequest, FileWatchAnswer,
    FileWriteRequest, files_server::Files as FilesRpc,
};
use futures::{Stream, StreamExt as _, stream};
use tokio_stream::wrappers::ReceiverStream;
use tonic::{Request, Response, Status, Streaming};

use crate::files::{Files, Writing, failed};

#[derive(Debug, Clone)]
pub(super) struct FilesService {
    files: Files,
}

impl FilesService {
    pub(super) fn new(files: Files) -> Self {
        Self { files }
    }
}

type Answers<T> = Pin<Box<dyn Stream<Item = Result<T, Status>> + Send>>;

#[tonic::async_trait]
impl FilesRpc for FilesService {
    async fn call(&self, request: Request<FileRequest>) -> Result<Response<FileAnswer>, Status> {
        Ok(Response::new(self.files.call(request.into_inner()).await?))
    }

    type ReadDirectoryStream = Answers<FileAnswer>;

    async fn read_directory(
        &self,
        request: Request<FileRequest>,
    ) -> Result<Response<Self::ReadDirectoryStream>, Status> {
        let batches = self.files.read_directory(request.into_inner()).await?;
        Ok(Response::new(Box::pin(ReceiverStream::new(batches).map(|batch| batch.map_err(Status::from)))))
    }

    type ReadStream = Answers<FileAnswer>;

    async fn read(&self, request: Request<FileReadRequest>) -> Result<Response<Self::ReadStream>, Status> {
        let chunks = self.files.read(request.into_inner());
        Ok(Response::new(Box::pin(chunks.map(|chunk| chunk.map_err(Status::from)))))
    }

    type WriteStream = Answers<FileAnswer>;

    async fn write(
        &self,
        request: Request<Streaming<FileWriteRequest>>,
    ) -> Result<Response<Self::WriteStream>, Status> {
        let messages = request.into_inner();
        let opening = Step::Open(self.files.clone(), Box::new(messages));
        Ok(Response::new(Box::pin(stream::try_unfold(opening, Step::take))))
    }

    type WatchStream = Answers<FileWatchAnswer>;

    async fn watch(&self, request: Request<FileRequest>) -> Result<Response<Self::WatchStream>, Status> {
        Ok(Response::new(match self.files.watch(request.into_inner()).await? {
            Ok(changes) => Box::pin(changes.map(|change| change.map_err(Status::from))),
            Err(error) => {
                let answer = FileWatchAnswer { error: Some(error), changes: vec![] };
                Box::pin(stream::once(async { Ok(answer) }))
            }
        }))
    }

    async fn copy_in(
        &self,
        request: Request<Streaming<CopyInRequest>>,
    ) -> Result<Response<FileAnswer>, Status> {
        let mut messages = request.into_inner();
        let Some(first) = messages.message().await? else { return Ok(Response::new(FileAnswer::default())) };
        let copy = self.files.copy_in(&first).await?;
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

    async fn copy_out(
        &self,
        request: Request<CopyOutRequest>,
    ) -> Result<Response<Self::CopyOutStream>, Status> {
        let chunks = self.files.copy_out(request.into_inner()).await?;
        Ok(Response::new(Box::pin(chunks.map(Ok))))
    }
}

/// How far a file is written. Each step has one answer.
enum Step {
    Open(Files, Box<Streaming<FileWriteRequest>>),
    Write(Writing, FileWriteRequest, Box<Streaming<FileWriteRequest>>),
    Done,
}

impl Step {
    async fn take(self) -> Result<Option<(FileAnswer, Self)>, Status> {
        let (writing, first, messages) = match self {
            Self::Done => return Ok(None),
            Self::Open(files, mut messages) => {
                let Some(first) = messages.message().await? else {
                    return Ok(Some((FileAnswer::default(), Self::Done)));
                };
                if first.whole {
                    return Ok(Some((counted(files.write_whole(first).await?), Self::Done)));
                }
                match Writing::begin(&files, &first).await? {
                    Err(error) => return Ok(Some((failed(error), Self::Done))),
                    Ok(writing) => {
                        return Ok(Some((FileAnswer::default(), Self::Write(writing, first, messages))));
                    }
                }
            }
            Self::Write(writing, first, messages) => (writing, first, messages),
        };
        Ok(Some((counted(write(writing, first, messages).await?), Self::Done)))
    }
}

/// Writes all that the host sends.
async fn write(
    mut writing: Writing,
    first: FileWriteRequest,
    mut messages: Box<Streaming<FileWriteRequest>>,
) -> Result<Result<u64, FileError>, Status> {
    let mut next = Some(first);
    while let Some(message) = next {
        if let Err(error) = writing.push(message).await? {
            return Ok(Err(error));
        }
        next = messages.message().await?;
    }
    Ok(writing.finish().await?)
}

fn counted(written: Result<u64, FileError>) -> FileAnswer {
    written.map_or_else(failed, |count| FileAnswer { count, ..FileAnswer::default() })
}
