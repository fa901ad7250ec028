//! A guest that lies about files: every lie ends in a clear error, with bounded memory.

use std::{path::Path, pin::Pin, sync::Arc};

use boxlite_error::{BoxliteError, BoxliteResult, ErrorCode};
use boxlite_portal::{FileCall, FileTarget, ReadOptions, WriteOptions};
use boxlite_proto::v1::{
    CopyInRequest, CopyOutRequest, DirectoryEntry, FileAnswer, FileChange, FileError, FileRequest,
    FileWatchAnswer,
    files_server::{Files as Service, FilesServer},
};
use bytes::Bytes;
use tokio_stream::{Stream, StreamExt as _};
use tonic::{Request, Response, Status, Streaming, transport::Server};

use crate::{
    duplex::machine,
    litebox::{
        files::{stream::FileStream, writer::FileWriter},
        lifecycle::machine::Machine,
    },
};

type Answers<T> = Pin<Box<dyn Stream<Item = Result<T, Status>> + Send>>;

/// Says the same whatever it is asked, as often as its length says.
#[derive(Clone)]
struct Liar {
    answer: FileAnswer,
    times: usize,
}

impl Liar {
    fn stream(&self) -> Response<Answers<FileAnswer>> {
        let answer = self.answer.clone();
        Response::new(Box::pin(tokio_stream::iter((0..self.times).map(move |_| Ok(answer.clone())))))
    }
}

#[tonic::async_trait]
impl Service for Liar {
    type ReadDirectoryStream = Answers<FileAnswer>;
    type ReadStream = Answers<FileAnswer>;
    type WriteStream = Answers<FileAnswer>;
    type WatchStream = Answers<FileWatchAnswer>;
    type CopyOutStream = Answers<FileAnswer>;

    async fn call(&self, _: Request<FileRequest>) -> Result<Response<FileAnswer>, Status> {
        Ok(Response::new(self.answer.clone()))
    }

    async fn read_directory(&self, _: Request<FileRequest>) -> Result<Response<Answers<FileAnswer>>, Status> {
        Ok(self.stream())
    }

    async fn read(&self, _: Request<FileRequest>) -> Result<Response<Answers<FileAnswer>>, Status> {
        if self.times == 0 {
            return Ok(Response::new(Box::pin(tokio_stream::pending())));
        }
        Ok(self.stream())
    }

    async fn write(
        &self,
        mut request: Request<Streaming<FileRequest>>,
    ) -> Result<Response<Answers<FileAnswer>>, Status> {
        for _ in 0..self.times {
            request.get_mut().message().await?;
        }
        let said = [FileAnswer::default(), self.answer.clone()];
        Ok(Response::new(Box::pin(tokio_stream::iter(said.map(Ok)))))
    }

    async fn watch(&self, _: Request<FileRequest>) -> Result<Response<Answers<FileWatchAnswer>>, Status> {
        let changes = vec![FileChange { renamed: true, name: Bytes::from(vec![b'x'; 1 << 21]) }];
        let said = [FileWatchAnswer::default(), FileWatchAnswer { error: None, changes }];
        Ok(Response::new(Box::pin(tokio_stream::iter(said.map(Ok)))))
    }

    async fn copy_in(&self, _: Request<Streaming<CopyInRequest>>) -> Result<Response<FileAnswer>, Status> {
        Err(Status::unimplemented("no"))
    }

    async fn copy_out(&self, _: Request<CopyOutRequest>) -> Result<Response<Answers<FileAnswer>>, Status> {
        Ok(self.stream())
    }
}

fn guest(answer: FileAnswer, times: usize) -> Arc<Machine> {
    let (host, guest) = tokio::io::duplex(64 * 1024);
    let server = Server::builder().add_service(FilesServer::new(Liar { answer, times }));
    tokio::spawn(server.serve_with_incoming(tokio_stream::once(Ok::<_, std::io::Error>(guest))));
    machine(host)
}

fn data(length: usize) -> FileAnswer {
    FileAnswer { data: vec![b'x'; length].into(), ..FileAnswer::default() }
}

fn entry(length: usize) -> DirectoryEntry {
    DirectoryEntry { name: vec![b'x'; length].into(), r#type: 0 }
}

fn assert_broken(error: &BoxliteError, how: &str) {
    assert_eq!(error.code(), ErrorCode::Rpc, "{error}");
    assert!(error.to_string().contains(how), "{error}");
}

/// Begins to read the file of a guest.
async fn reader(machine: Arc<Machine>, options: ReadOptions) -> BoxliteResult<FileStream<Bytes>> {
    let chunks = machine.session.files().read(FileTarget::Handle(1), options).await?;
    Ok(FileStream::new(machine, chunks))
}

/// Reads up to `length` bytes from a guest that says `answer`, until that fails; returns how much came before.
async fn read(answer: FileAnswer, length: Option<u64>) -> (usize, BoxliteError) {
    let options = ReadOptions { length, ..ReadOptions::default() };
    let reader = reader(guest(answer, usize::MAX), options).await.unwrap();
    let mut came = 0;
    loop {
        match reader.next().await {
            Ok(Some(bytes)) => came += bytes.len(),
            Ok(None) => panic!("a quiet end"),
            Err(error) => return (came, error),
        }
    }
}

#[tokio::test]
async fn more_of_a_file_than_was_asked_for_is_refused() {
    let (came, error) = read(data(1000), Some(2500)).await;
    assert_eq!(came, 2000);
    assert_broken(&error, "a chunk of a size that was not requested");
}

#[tokio::test]
async fn empty_chunks_without_an_end_are_refused() {
    let (came, error) = read(data(0), None).await;
    assert_eq!(came, 0);
    assert_broken(&error, "a chunk of a size that was not requested");
}

#[tokio::test]
async fn a_file_that_begins_before_it_is_open_is_refused() {
    let options = ReadOptions { await_open: true, ..ReadOptions::default() };
    let error = reader(guest(data(5), usize::MAX), options).await.unwrap_err();
    assert_broken(&error, "it began before it was open");
}

#[tokio::test]
async fn closing_a_file_ends_a_read_that_waits_for_a_silent_guest() {
    let reader = reader(guest(data(5), 0), ReadOptions::default()).await.unwrap();
    let waiting = tokio::spawn({
        let reader = reader.clone();
        async move { reader.next().await }
    });
    tokio::task::yield_now().await;
    reader.close();
    assert!(waiting.await.unwrap().unwrap().is_none());
}

#[tokio::test]
async fn a_message_beyond_the_limit_is_refused() {
    let (came, error) = read(data(2 << 20), None).await;
    assert_eq!((came, error.code()), (0, ErrorCode::Rpc));
}

#[tokio::test]
async fn more_at_a_position_than_was_asked_for_is_refused() {
    let files = guest(data(11), 1).session.files();
    assert_broken(
        &files.call(FileCall::read_at(FileTarget::Handle(1), 10, None)).await.unwrap_err(),
        "11 bytes where 10 were requested",
    );

    let files = guest(FileAnswer { count: 4, ..FileAnswer::default() }, 1).session.files();
    let call = FileCall::write_at(FileTarget::Handle(1), Bytes::from_static(b"abc"), None);
    assert_broken(&files.call(call).await.unwrap_err(), "it wrote 4 bytes of 3");
}

#[tokio::test]
async fn a_count_that_is_not_what_was_sent_is_refused() {
    for (count, times) in [(3, 3), (5, 3), (0, 0)] {
        let machine = guest(FileAnswer { count, ..FileAnswer::default() }, times);
        let (interface, target) = (machine.session.files(), FileTarget::Handle(1));
        let writer = FileWriter::begin(machine, interface, target, WriteOptions::default());
        let pushed = match writer.push(Bytes::from_static(b"ab")).await {
            Ok(()) => writer.push(Bytes::from_static(b"cd")).await,
            failed => failed,
        };
        let error = match pushed {
            Ok(()) => writer.finish().await.unwrap_err(),
            Err(error) => error,
        };
        assert_eq!(error.code(), ErrorCode::Rpc, "{error}");
    }
}

#[tokio::test]
async fn a_count_of_a_whole_file_that_is_not_what_was_sent_is_refused() {
    let files = guest(FileAnswer { count: 3, ..FileAnswer::default() }, 0).session.files();
    let data = Bytes::from_static(b"ab");
    let error = files.write_whole(FileTarget::Handle(1), WriteOptions::default(), data).await.unwrap_err();
    assert_broken(&error, "it wrote");
}

#[tokio::test]
async fn a_listing_without_an_end_is_too_large() {
    let listing = FileAnswer { entries: vec![entry(500_000)], ..FileAnswer::default() };
    let files = guest(listing, usize::MAX).session.files();
    let error = files.read_dir(Path::new("/"), false).await.unwrap_err();
    assert_eq!(error.code(), ErrorCode::ListingTooLarge, "{error}");

    let files = guest(FileAnswer::default(), usize::MAX).session.files();
    let error = files.read_dir(Path::new("/"), false).await.unwrap_err();
    assert_broken(&error, "goes on after its end");
}

#[tokio::test]
async fn an_archive_that_breaks_off_is_no_quiet_end() {
    let machine = guest(data(512), 3);
    let chunks = machine.session.files().copy_out(Path::new("/"), false, false).await.unwrap();
    let archive = FileStream::new(machine, chunks);
    for _ in 0..3 {
        assert_eq!(archive.next().await.unwrap().unwrap().len(), 512);
    }
    assert_broken(&archive.next().await.unwrap_err(), "an archive without an end");
}

#[tokio::test]
async fn a_change_beyond_the_limit_is_refused() {
    let files = guest(FileAnswer::default(), 0).session.files();
    let mut changes = files.watch(Path::new("/"), false).await.unwrap();
    assert!(changes.next().await.unwrap().is_err());
}

#[tokio::test]
async fn a_guest_s_errors_are_cut_and_cleaned() {
    let error = FileError {
        errno: 99_999,
        syscall: "\u{1b}[2J".repeat(1000),
        path: vec![b'p'; 100_000].into(),
        to: Bytes::new(),
        message: String::new(),
        refusal: 77,
    };
    let files = guest(FileAnswer { error: Some(error), ..FileAnswer::default() }, 1).session.files();
    let error = files.call(FileCall::unlink(Path::new("/"))).await.unwrap_err();
    let fault = error.file().unwrap();
    assert!(fault.syscall.len() <= 1000 && !fault.syscall.contains('\u{1b}'));
    assert!(fault.path.as_ref().unwrap().len() <= 4096);
}
