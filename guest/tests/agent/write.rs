//! The Write call of the Files service: in many messages, and in one.

use std::{fs, os::unix::ffi::OsStrExt as _};

use boxlite_proto::v1::{FileAnswer, FileRequest, files_client::FilesClient};
use futures::{Stream, StreamExt as _, stream};
use nix::libc;

use super::bench::{Bench, channel};

/// All answers to `messages`.
async fn answers(
    bench: &Bench,
    messages: impl Stream<Item = FileRequest> + Send + 'static,
) -> Vec<FileAnswer> {
    let mut client = FilesClient::new(channel(&bench.server).await);
    let mut stream = client.write(messages).await.expect("write").into_inner();
    let mut answers = Vec::new();
    while let Some(answer) = stream.message().await.expect("an answer") {
        answers.push(answer);
    }
    answers
}

fn counted(count: u64) -> FileAnswer {
    FileAnswer { count, ..FileAnswer::default() }
}

#[tokio::test]
async fn a_message_that_is_all_is_answered_once() {
    let (bench, folder) = (Bench::new().await, tempfile::tempdir().expect("a folder"));
    let path = folder.path().join("file");
    let first = FileRequest {
        path: path.as_os_str().as_bytes().to_vec().into(),
        flags: (libc::O_WRONLY | libc::O_CREAT | libc::O_TRUNC).cast_unsigned(),
        mode: 0o600,
        data: "12345".into(),
        flush: true,
        ..FileRequest::default()
    };
    let whole = FileRequest { whole: true, ..first.clone() };
    assert_eq!(answers(&bench, stream::iter([first.clone()])).await, [counted(0), counted(5)]);
    assert_eq!(answers(&bench, stream::iter([whole.clone()])).await, [counted(5)]);
    // The end of the stream is not waited for.
    assert_eq!(answers(&bench, stream::iter([whole.clone()]).chain(stream::pending())).await, [counted(5)]);
    assert_eq!(fs::read(&path).expect("written"), b"12345");
    let me = format!("{}:{}", nix::unistd::getuid(), nix::unistd::getgid());
    let empty = FileRequest { data: "".into(), user: me, ..whole.clone() };
    assert_eq!(answers(&bench, stream::iter([empty])).await, [counted(0)]);
    assert_eq!(fs::read(&path).expect("written"), b"");

    let nowhere = FileRequest { path: "/nowhere/file".into(), ..whole };
    let [answer] = answers(&bench, stream::iter([nowhere])).await.try_into().expect("one answer");
    let error = answer.error.expect("refused");
    assert_eq!((error.errno, error.syscall.as_str()), (libc::ENOENT, "open"));
}
