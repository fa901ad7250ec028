//! Files: operations on this machine's own, in a temporary folder.

use std::{fs, os::unix::ffi::OsStrExt as _, path::Path};

use boxlite_guest::files::Files;
use boxlite_proto::{
    limits,
    v1::{FileAnswer, FileOperation, FileReadRequest, FileRequest},
};
use bytes::Bytes;
use futures::{StreamExt as _, pin_mut};

fn files() -> Files {
    let files = Files::default();
    files.open_uncontained().expect("threads start");
    files
}

fn bytes(path: &Path) -> Bytes {
    Bytes::copy_from_slice(path.as_os_str().as_bytes())
}

fn request(operation: FileOperation, path: &Path) -> FileRequest {
    FileRequest { operation: operation.into(), path: bytes(path), ..FileRequest::default() }
}

async fn done(files: &Files, request: FileRequest) -> FileAnswer {
    let answer = files.call(request).await.expect("an answer");
    assert_eq!(answer.error, None);
    answer
}

#[tokio::test]
async fn without_a_container_there_are_no_files() {
    let refused = Files::default().call(request(FileOperation::Stat, Path::new("/"))).await;
    assert!(refused.is_err());
}

#[tokio::test]
async fn a_failure_is_an_answer_with_errno_call_and_path() {
    let (files, folder) = (files(), tempfile::tempdir().unwrap());
    let none = folder.path().join("none");
    let error = files.call(request(FileOperation::ReadLink, &none)).await.unwrap().error.unwrap();
    assert_eq!((error.errno, error.syscall.as_str(), &error.path), (2, "readlink", &bytes(&none)));
    let nul = files.call(request(FileOperation::Unlink, Path::new("a\0b"))).await.unwrap().error.unwrap();
    assert_eq!(nul.errno, 22);
    let unknown = FileRequest { operation: 4711, ..FileRequest::default() };
    assert_eq!(files.call(unknown).await.unwrap().error.unwrap().errno, 38);
}

#[tokio::test]
async fn an_open_file_is_its_handle_until_it_is_closed() {
    let (files, folder) = (files(), tempfile::tempdir().unwrap());
    let path = folder.path().join("file");
    let open = FileRequest { flags: 0o102, mode: 0o600, ..request(FileOperation::Open, &path) };
    let handle = done(&files, open).await.handle;
    let about = |operation: FileOperation| FileRequest {
        operation: operation.into(),
        handle,
        ..FileRequest::default()
    };
    let write = FileRequest { data: "0123456789".into(), ..about(FileOperation::WriteAt) };
    assert_eq!(done(&files, write).await.count, 10);
    fs::remove_file(&path).unwrap();
    let read = FileRequest { offset: Some(7), length: u64::MAX, ..about(FileOperation::ReadAt) };
    assert_eq!(done(&files, read).await.data, "789");
    done(&files, about(FileOperation::Close)).await;
    assert_eq!(files.call(about(FileOperation::Stat)).await.unwrap().error.unwrap().errno, 9);
}

#[tokio::test]
async fn contents_come_in_bounded_chunks_from_where_they_are_asked() {
    let (files, folder) = (files(), tempfile::tempdir().unwrap());
    let path = folder.path().join("file");
    let content: Vec<u8> = (0..1_000_003_u32).map(|i| (i % 251) as u8).collect();
    fs::write(&path, &content).unwrap();
    let asked =
        FileReadRequest { path: bytes(&path), offset: Some(5), length: Some(700_000), ..Default::default() };
    let chunks = files.read(asked);
    pin_mut!(chunks);
    let mut read = Vec::new();
    while let Some(chunk) = chunks.next().await {
        let FileAnswer { data, error, .. } = chunk.unwrap();
        assert_eq!(error, None);
        assert!((1..=limits::FILE_CHUNK).contains(&data.len()));
        read.extend_from_slice(&data);
    }
    assert_eq!(read, content[5..700_005]);
}

#[tokio::test]
async fn a_listing_comes_whole_and_ends_with_its_error() {
    let (files, folder) = (files(), tempfile::tempdir().unwrap());
    fs::create_dir(folder.path().join("sub")).unwrap();
    for i in 0..3000 {
        fs::write(folder.path().join(format!("sub/a-name-that-is-quite-long-{i}")), "").unwrap();
    }
    let all = FileRequest { recursive: true, ..request(FileOperation::Unspecified, folder.path()) };
    let mut batches = files.read_directory(all).await.unwrap();
    let mut entries = 0;
    while let Some(batch) = batches.recv().await {
        let batch = batch.unwrap();
        assert_eq!(batch.error, None);
        entries += batch.entries.len();
    }
    assert_eq!(entries, 3001);
    let none = request(FileOperation::Unspecified, &folder.path().join("none"));
    let error = files.read_directory(none).await.unwrap().recv().await.unwrap().unwrap().error.unwrap();
    assert_eq!((error.errno, error.syscall.as_str()), (2, "scandir"));
}

#[tokio::test]
async fn after_the_end_nothing_is_open() {
    let (files, folder) = (files(), tempfile::tempdir().unwrap());
    let path = folder.path().join("file");
    done(&files, FileRequest { flags: 0o102, mode: 0o600, ..request(FileOperation::Open, &path) }).await;
    files.close();
    assert!(files.call(request(FileOperation::Stat, &path)).await.is_err());
}
