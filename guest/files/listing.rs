//! The entries of a directory or of a tree, in batches, as the host takes them. Called by the Files service.

use std::{
    ffi::OsStr,
    os::{fd::OwnedFd, unix::ffi::OsStrExt as _},
    path::{Path, PathBuf},
};

use boxlite_proto::{
    limits,
    v1::{DirectoryEntry, FileAnswer, FileError, FileRequest},
};
use bytes::Bytes;
use nix::{
    dir::{Dir, Type},
    errno::Errno,
    fcntl::{AtFlags, OFlag, OpenHow, ResolveFlag, open, openat2},
    libc,
    sys::stat::{Mode, fstatat},
};
use tokio::sync::mpsc;

use super::{
    Files,
    call::path_of,
    fault::{Call as _, Outcome, fault},
};
use crate::Result;

/// Batches under way.
const AHEAD: usize = 2;

impl Files {
    /// Lists `request.path`. The last answer may be an error.
    pub async fn read_directory(&self, request: FileRequest) -> Result<mpsc::Receiver<Result<FileAnswer>>> {
        let (answers, receiver) = mpsc::channel(AHEAD);
        let permit = self.long().await?;
        let files = self.clone();
        tokio::spawn(async move {
            let failed = answers.clone();
            let user = request.user.clone();
            let listing = files.run_as(&user, move || {
                let mut batch = Batch { answers, entries: Vec::new(), bytes: 0 };
                list(path_of(&request.path), request.recursive, &mut batch)?;
                batch.send()
            });
            let _ = match listing.await {
                Ok(Ok(())) => Ok(()),
                Ok(Err(error)) => {
                    failed.send(Ok(FileAnswer { error: Some(error), ..FileAnswer::default() })).await
                }
                Err(error) => failed.send(Err(error)).await,
            };
            drop(permit);
        });
        Ok(receiver)
    }
}

struct Batch {
    answers: mpsc::Sender<Result<FileAnswer>>,
    entries: Vec<DirectoryEntry>,
    bytes: usize,
}

impl Batch {
    fn add(&mut self, name: &Path, kind: u32) -> Outcome<()> {
        let name = Bytes::copy_from_slice(name.as_os_str().as_bytes());
        // What one entry costs on the wire besides its name.
        self.bytes += name.len() + 16;
        self.entries.push(DirectoryEntry { name, r#type: kind });
        if self.bytes >= limits::CHUNK { self.send() } else { Ok(()) }
    }

    /// A host that has gone away ends the listing.
    fn send(&mut self) -> Outcome<()> {
        self.bytes = 0;
        let entries = std::mem::take(&mut self.entries);
        self.answers
            .blocking_send(Ok(FileAnswer { entries, ..FileAnswer::default() }))
            .map_err(|_| FileError { errno: libc::EPIPE, ..FileError::default() })
    }
}

fn list(path: &Path, recursive: bool, batch: &mut Batch) -> Outcome<()> {
    let flags = OFlag::O_DIRECTORY | OFlag::O_CLOEXEC;
    let root = open(path, flags, Mode::empty()).call("scandir", path)?;
    // Below it no symlink is followed, also none that takes a folder's place meanwhile.
    let inside = OpenHow::new().flags(flags).resolve(ResolveFlag::RESOLVE_NO_SYMLINKS);
    let mut folders = vec![PathBuf::from(".")];
    while let Some(below) = folders.pop() {
        let folder = path.join(&below);
        let entries = match openat2(&root, &below, inside) {
            // It went away, or became something else, while its parent was listed.
            Err(Errno::ENOENT | Errno::ELOOP | Errno::ENOTDIR) => continue,
            opened => opened.and_then(Dir::from_fd).call("scandir", &folder)?,
        };
        for entry in entries {
            let entry = entry.call("scandir", &folder)?;
            let name = OsStr::from_bytes(entry.file_name().to_bytes());
            if matches!(name.as_bytes(), b"." | b"..") {
                continue;
            }
            let name = if below == Path::new(".") { PathBuf::from(name) } else { below.join(name) };
            if name.as_os_str().len() > limits::CHUNK {
                return Err(fault(libc::ENAMETOOLONG, "scandir", &folder));
            }
            let Some(kind) = kind_of(&root, &name, entry.file_type()).call("scandir", &folder)? else {
                continue;
            };
            batch.add(&name, kind)?;
            if recursive && kind == libc::S_IFDIR {
                folders.push(name);
            }
        }
    }
    Ok(())
}

/// The file type bits of a mode; nothing if it went away. Few file systems don't tell with the entry.
fn kind_of(root: &OwnedFd, name: &Path, kind: Option<Type>) -> nix::Result<Option<u32>> {
    Ok(Some(match kind {
        Some(Type::Directory) => libc::S_IFDIR,
        Some(Type::Symlink) => libc::S_IFLNK,
        Some(Type::File) => libc::S_IFREG,
        Some(Type::Fifo) => libc::S_IFIFO,
        Some(Type::Socket) => libc::S_IFSOCK,
        Some(Type::BlockDevice) => libc::S_IFBLK,
        Some(Type::CharacterDevice) => libc::S_IFCHR,
        None => match fstatat(root, name, AtFlags::AT_SYMLINK_NOFOLLOW) {
            Err(Errno::ENOENT) => return Ok(None),
            stat => stat?.st_mode & libc::S_IFMT,
        },
    }))
}
