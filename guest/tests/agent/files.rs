//! Files: operations on this machine's own, in a temporary folder.

use std::{
    ffi::OsStr,
    fs,
    os::unix::{
        ffi::OsStrExt as _,
        fs::{FileExt as _, MetadataExt as _, PermissionsExt as _},
    },
    path::Path,
};

use boxlite_archive::Folders;
use boxlite_guest::files::Files;
use boxlite_proto::v1::{FileAnswer, FileOperation, FileRequest};
use boxlite_wire::limits;
use bytes::Bytes;
use futures::{StreamExt as _, pin_mut};
use nix::{
    fcntl::{OFlag, open, readlinkat},
    libc,
    sys::stat::{Mode, mkdirat},
    unistd::symlinkat,
};

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
    let refused = refused.expect_err("no container").to_string();
    assert!(refused.contains("container"), "{refused}");
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
async fn contents_are_read_in_bounded_chunks_from_the_offset() {
    let (files, folder) = (files(), tempfile::tempdir().unwrap());
    let path = folder.path().join("file");
    let content: Vec<u8> = (0..1_000_003_u32).map(|i| (i % 251) as u8).collect();
    fs::write(&path, &content).unwrap();
    let request = FileRequest { path: bytes(&path), offset: Some(5), length: 700_000, ..Default::default() };
    let chunks = files.read(request);
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

/// A folder in a folder in a folder, with a file in the innermost.
fn deep(top: &Path, levels: usize) {
    fs::create_dir(top).unwrap();
    let root = open(top, OFlag::O_PATH | OFlag::O_DIRECTORY, Mode::empty()).unwrap();
    let mut folders = Folders::new(root, OFlag::O_PATH).unwrap();
    for _ in 0..levels {
        mkdirat(folders.here(), "d", Mode::S_IRWXU).unwrap();
        folders.enter(OsStr::new("d")).unwrap();
    }
    symlinkat("nowhere", folders.here(), "end").unwrap();
}

fn depth_of(top: &Path) -> usize {
    let root = open(top, OFlag::O_PATH | OFlag::O_DIRECTORY, Mode::empty()).unwrap();
    let mut folders = Folders::new(root, OFlag::O_PATH).unwrap();
    while folders.enter(OsStr::new("d")).is_ok() {}
    assert_eq!(readlinkat(folders.here(), "end").unwrap(), "nowhere");
    folders.depth()
}

#[tokio::test]
async fn a_tree_of_any_depth_is_copied_listed_and_removed() {
    let (files, folder) = (files(), tempfile::tempdir().unwrap());
    let (from, to) = (folder.path().join("from"), folder.path().join("to"));
    deep(&from, 6000);
    let copy = FileRequest {
        to: bytes(&to),
        recursive: true,
        force: true,
        verbatim: true,
        ..request(FileOperation::Copy, &from)
    };
    done(&files, copy).await;
    assert_eq!(depth_of(&to), 6000);
    let remove = |path: &Path| FileRequest { recursive: true, ..request(FileOperation::Remove, path) };
    done(&files, remove(&from)).await;
    done(&files, remove(&to)).await;
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0);

    let top = folder.path().join("listed");
    deep(&top, 3000);
    let all = FileRequest { recursive: true, ..request(FileOperation::Unspecified, &top) };
    let mut batches = files.read_directory(all).await.unwrap();
    let mut entries = 0;
    while let Some(batch) = batches.recv().await {
        let batch = batch.unwrap();
        assert_eq!(batch.error, None);
        entries += batch.entries.len();
    }
    assert_eq!(entries, 3001);
    done(&files, remove(&top)).await;
}

#[tokio::test]
async fn a_symlink_with_a_slash_behind_it_is_not_removed_and_what_it_leads_to_neither() {
    let (files, folder) = (files(), tempfile::tempdir().unwrap());
    let at = |name: &str| folder.path().join(name);
    fs::create_dir(at("target")).unwrap();
    fs::write(at("target/file"), "x").unwrap();
    std::os::unix::fs::symlink("target", at("link")).unwrap();
    let remove = |name: &str| FileRequest { recursive: true, ..request(FileOperation::Remove, &at(name)) };
    done(&files, remove("link/")).await;
    assert_eq!(fs::read(at("link/file")).unwrap(), b"x");
    done(&files, remove("link")).await;
    assert_eq!(fs::read(at("target/file")).unwrap(), b"x");
    assert!(!at("link").is_symlink());
}

#[tokio::test]
async fn more_names_than_are_read_at_once_are_all_removed() {
    let (files, folder) = (files(), tempfile::tempdir().unwrap());
    let top = folder.path().join("top");
    for name in ["a", "b", "b/c", "d"] {
        fs::create_dir_all(top.join(name)).unwrap();
        for i in 0..5000 {
            fs::write(top.join(name).join(i.to_string()), "").unwrap();
        }
    }
    done(&files, FileRequest { recursive: true, ..request(FileOperation::Remove, &top) }).await;
    assert!(!top.exists());
}

/// Makes the files `make` in a folder of its own, copies `from` there, and returns the code of Node's refusal or of the kernel's.
async fn copied(make: &[&str], from: &str, to: &str, options: FileRequest) -> (tempfile::TempDir, String) {
    let (files, folder) = (files(), tempfile::tempdir().unwrap());
    let at = |name: &str| folder.path().join(name);
    for what in make {
        match what.split_once("->") {
            Some((link, target)) => std::os::unix::fs::symlink(target, at(link)).unwrap(),
            None if what.ends_with('/') => fs::create_dir_all(at(what)).unwrap(),
            None => fs::write(at(what), what).unwrap(),
        }
    }
    let request = FileRequest {
        to: bytes(&at(to)),
        operation: FileOperation::Copy.into(),
        path: bytes(&at(from)),
        ..options
    };
    let answer = files.call(request).await.unwrap();
    let code = match answer.error {
        None => String::new(),
        Some(error) if error.refusal == 0 => format!("{}", error.errno),
        Some(error) => error.refusal().as_str_name().to_owned(),
    };
    (folder, code)
}

fn all() -> FileRequest {
    FileRequest { recursive: true, force: true, ..FileRequest::default() }
}

#[tokio::test]
async fn cp_over_what_exists_has_the_rules_of_node() {
    let forced = all;
    let careful = || FileRequest { recursive: true, exclusive: true, ..FileRequest::default() };
    let shy = || FileRequest { recursive: true, ..FileRequest::default() };
    for (make, from, to, options, expected) in [
        (&["a/", "b"][..], "a", "b", forced(), "ERR_FS_CP_DIR_TO_NON_DIR"),
        (&["a", "b/"], "a", "b", forced(), "ERR_FS_CP_NON_DIR_TO_DIR"),
        (&["a"], "a", "a", forced(), "ERR_FS_CP_EINVAL"),
        (&["a/"], "a", "a/b", forced(), "ERR_FS_CP_EINVAL"),
        (&["a/", "l->a"], "a", "l/b", forced(), "ERR_FS_CP_EINVAL"),
        (&["a/x/", "l->a/x"], "a", "l/b", forced(), "ERR_FS_CP_EINVAL"),
        (&["a/"], "a", "b", FileRequest::default(), "ERR_FS_EISDIR"),
        (&["a", "b"], "a", "b", careful(), "ERR_FS_CP_EEXIST"),
        (&["a/", "b/"], "a", "b", careful(), "ERR_FS_CP_EEXIST"),
        (&["a", "b"], "a", "b", shy(), ""),
        (&["t", "a->t", "b"], "a", "b", forced(), "17"),
        (
            &["a/", "a/d/", "a/l->d", "b/", "b/l->../a"],
            "a",
            "b",
            forced(),
            "ERR_FS_CP_SYMLINK_TO_SUBDIRECTORY",
        ),
        (&["a/", "a/l->.", "b/", "b/d/", "b/l->../a/d", "a/d/"], "a", "b", forced(), "ERR_FS_CP_EINVAL"),
        (&["a/", "b/", "b/a->x"], "a", "b/a", forced(), "ERR_FS_CP_DIR_TO_NON_DIR"),
        (&[], "none", "b", forced(), "2"),
    ] {
        let (_folder, code) = copied(make, from, to, options).await;
        assert_eq!(code, expected, "{make:?}: {from} to {to}");
    }
}

#[tokio::test]
async fn cp_replaces_links_and_never_writes_through_them() {
    let (folder, code) = copied(&["a", "t", "b->t"], "a", "b", all()).await;
    assert_eq!(code, "");
    let at = |name: &str| folder.path().join(name);
    assert_eq!(fs::read(at("t")).unwrap(), b"t");
    assert!(!at("b").is_symlink());
    assert_eq!(fs::read(at("b")).unwrap(), b"a");

    let (folder, code) = copied(&["t", "a->t", "o", "b->o"], "a", "b", all()).await;
    assert_eq!(code, "");
    assert_eq!(fs::read_link(folder.path().join("b")).unwrap(), folder.path().join("t"));
    let verbatim = FileRequest { verbatim: true, ..all() };
    let (folder, _) = copied(&["t", "a->t"], "a", "b", verbatim).await;
    assert_eq!(fs::read_link(folder.path().join("b")).unwrap(), Path::new("t"));
    let follow = FileRequest { follow: true, ..all() };
    let (folder, _) = copied(&["t/", "t/f", "a/", "a/l->../t"], "a", "b", follow.clone()).await;
    assert!(fs::symlink_metadata(folder.path().join("b/l")).unwrap().is_dir());
    // Following a link to its own folder would never end.
    let (_folder, code) = copied(&["a/", "a/l->../a"], "a", "b", follow).await;
    assert_eq!(code, libc::ELOOP.to_string());
}

#[tokio::test]
async fn cp_keeps_the_mode_of_a_merged_folder_and_the_holes_of_a_file() {
    let (files, folder) = (files(), tempfile::tempdir().unwrap());
    let at = |name: &str| folder.path().join(name);
    fs::create_dir_all(at("from/sub")).unwrap();
    fs::create_dir_all(at("to/sub")).unwrap();
    for (name, mode) in [("from", 0o700), ("from/sub", 0o700), ("to", 0o1777), ("to/sub", 0o755)] {
        fs::set_permissions(at(name), fs::Permissions::from_mode(mode)).unwrap();
    }
    let sparse = fs::File::create(at("from/sparse")).unwrap();
    sparse.write_all_at(b"middle", 5 << 30).unwrap();
    sparse.set_len(20 << 30).unwrap();
    done(
        &files,
        FileRequest {
            to: bytes(&at("to")),
            ..FileRequest { path: bytes(&at("from")), operation: FileOperation::Copy.into(), ..all() }
        },
    )
    .await;
    let mode = |name: &str| fs::metadata(at(name)).unwrap().mode() & 0o7777;
    assert_eq!([mode("to"), mode("to/sub")], [0o1777, 0o755]);
    done(
        &files,
        FileRequest { to: bytes(&at("again")), ..request(FileOperation::CopyFile, &at("to/sparse")) },
    )
    .await;
    for name in ["to/sparse", "again"] {
        let copy = fs::File::open(at(name)).unwrap();
        let meta = copy.metadata().unwrap();
        assert_eq!(meta.len(), 20 << 30, "{name}");
        assert!(meta.blocks() < 1024, "{name}: {} blocks", meta.blocks());
        let mut middle = [0; 6];
        copy.read_exact_at(&mut middle, 5 << 30).unwrap();
        assert_eq!(&middle, b"middle");
    }
}

#[tokio::test]
async fn copies_read_files_whose_size_is_wrong() {
    let (files, folder) = (files(), tempfile::tempdir().unwrap());
    for (operation, name) in [(FileOperation::Copy, "copied"), (FileOperation::CopyFile, "copied-file")] {
        let to = folder.path().join(name);
        let copy =
            FileRequest { to: bytes(&to), force: true, ..request(operation, Path::new("/proc/version")) };
        done(&files, copy).await;
        assert_eq!(fs::read(&to).unwrap(), fs::read("/proc/version").unwrap());
    }
}

#[tokio::test]
async fn one_folder_at_a_time_is_copied_as_far_as_requested() {
    let (folder, _) =
        copied(&["a/", "a/d/", "a/d/f", "a/g", "a/h"], "a", "b", FileRequest { shallow: true, ..all() })
            .await;
    let at = |name: &str| folder.path().join(name);
    assert_eq!(fs::read_dir(at("b")).unwrap().count(), 0);
    let some = FileRequest {
        operation: FileOperation::Copy.into(),
        path: bytes(&at("a")),
        to: bytes(&at("b")),
        names: vec!["d".into(), "g".into()],
        shallow: true,
        ..all()
    };
    assert_eq!(done(&files(), some.clone()).await.data, vec![1, 0]);
    assert!(at("b/d").is_dir() && at("b/g").is_file() && !at("b/h").exists() && !at("b/d/f").exists());
    let outside = FileRequest { names: vec!["../a".into()], ..some };
    assert_eq!(files().call(outside).await.unwrap().error.unwrap().errno, libc::EINVAL);
}
