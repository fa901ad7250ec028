//! Lists the entries of a directory or of a tree in batches, as fast as the host takes them. Called by the Files service.

use std::{
    ffi::{OsStr, OsString},
    os::{fd::BorrowedFd, unix::ffi::OsStrExt as _},
    path::{Path, PathBuf},
};

use boxlite_archive::Folders;
use boxlite_proto::v1::{DirectoryEntry, FileAnswer, FileError, FileRequest};
use boxlite_wire::limits;
use bytes::Bytes;
use nix::{
    dir::{Dir, Type},
    errno::Errno,
    fcntl::{AtFlags, OFlag, open},
    libc,
    sys::stat::{Mode, fstatat},
};
use tokio::sync::mpsc;

use super::{
    fault::{Call as _, Outcome, fault},
    path::path_of,
    pool::Files,
};
use crate::Result;

/// Batches that wait for the host.
const AHEAD: usize = 2;

impl Files {
    /// Lists `request.path`. The last answer may be an error.
    ///
    /// # Errors
    ///
    /// There is no container. An error of the kernel is in the last answer.
    pub async fn read_directory(&self, request: FileRequest) -> Result<mpsc::Receiver<Result<FileAnswer>>> {
        let (answers, receiver) = mpsc::channel(AHEAD);
        let permit = self.long().await?;
        let files = self.clone();
        tokio::spawn(async move {
            let last = answers.clone();
            let user = request.user.clone();
            let listing = files.run_as(&user, move || {
                let mut batch = Batch { answers, entries: Vec::new(), bytes: 0 };
                list(path_of(&request.path), request.recursive, &mut batch)?;
                batch.send()
            });
            if let Err(fault) = listing.await {
                let _ = last.send(fault.answered()).await;
            }
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
        // Bytes that an entry takes in the message besides its name.
        self.bytes += name.len() + 16;
        self.entries.push(DirectoryEntry { name, r#type: kind });
        if self.bytes >= limits::CHUNK { self.send() } else { Ok(()) }
    }

    /// Sends the batch. A host that has gone away ends the listing.
    fn send(&mut self) -> Outcome<()> {
        self.bytes = 0;
        let entries = std::mem::take(&mut self.entries);
        self.answers
            .blocking_send(Ok(FileAnswer { entries, ..FileAnswer::default() }))
            .map_err(|_| FileError { errno: libc::EPIPE, ..FileError::default() })
    }
}

/// Lists the entries of `path` and, with `recursive`, those of every folder in it. Nothing recurses, and below `path` no symlink is
/// followed, even if it replaces a folder meanwhile.
fn list(path: &Path, recursive: bool, batch: &mut Batch) -> Outcome<()> {
    let flags = OFlag::O_DIRECTORY | OFlag::O_CLOEXEC;
    let root = open(path, flags, Mode::empty()).call("scandir", path)?;
    let mut folders = Folders::new(root, OFlag::empty()).call("scandir", path)?;
    let mut below = PathBuf::new();
    // For each folder on the way down, the folders in it that are still to be listed.
    let mut waiting = vec![list_one(path, &folders, &below, recursive, batch)?];
    while let Some(names) = waiting.last_mut() {
        let Some(name) = names.pop() else {
            waiting.pop();
            let left = folders.leave();
            left.map_err(|errno| fault(errno as i32, "scandir", &folders.shown(path, OsStr::new(".."))))?;
            below.pop();
            continue;
        };
        match folders.enter(&name) {
            Ok(()) => {}
            // It was removed or replaced while its parent was listed.
            Err(Errno::ENOENT | Errno::ELOOP | Errno::ENOTDIR) => continue,
            Err(errno) => return Err(fault(errno as i32, "scandir", &folders.shown(path, &name))),
        }
        below.push(&name);
        waiting.push(list_one(path, &folders, &below, true, batch)?);
    }
    Ok(())
}

/// Lists the current folder, which is at `below`. Returns the folders in it if they are to be listed too.
fn list_one(
    path: &Path,
    folders: &Folders,
    below: &Path,
    recursive: bool,
    batch: &mut Batch,
) -> Outcome<Vec<OsString>> {
    let failed = |errno: Errno| fault(errno as i32, "scandir", &folders.shown(path, OsStr::new("")));
    let itself = folders.here().try_clone_to_owned().call("scandir", path)?;
    let mut inside = Vec::new();
    for entry in Dir::from_fd(itself).map_err(failed)?.iter() {
        let entry = entry.map_err(failed)?;
        let name = OsStr::from_bytes(entry.file_name().to_bytes());
        if matches!(name.as_bytes(), b"." | b"..") {
            continue;
        }
        let Some(kind) = kind_of(folders.here(), name, entry.file_type()).map_err(failed)? else { continue };
        if below.as_os_str().len() + name.len() > limits::CHUNK {
            return Err(failed(Errno::ENAMETOOLONG));
        }
        batch.add(&below.join(name), kind)?;
        if recursive && kind == libc::S_IFDIR {
            inside.push(name.to_owned());
        }
    }
    Ok(inside)
}

/// The file type bits of a mode, or `None` if the entry was removed. A few file systems have no type in the entry.
fn kind_of(folder: BorrowedFd<'_>, name: &OsStr, kind: Option<Type>) -> nix::Result<Option<u32>> {
    Ok(Some(match kind {
        Some(Type::Directory) => libc::S_IFDIR,
        Some(Type::Symlink) => libc::S_IFLNK,
        Some(Type::File) => libc::S_IFREG,
        Some(Type::Fifo) => libc::S_IFIFO,
        Some(Type::Socket) => libc::S_IFSOCK,
        Some(Type::BlockDevice) => libc::S_IFBLK,
        Some(Type::CharacterDevice) => libc::S_IFCHR,
        None => match fstatat(folder, name, AtFlags::AT_SYMLINK_NOFOLLOW) {
            Err(Errno::ENOENT) => return Ok(None),
            stat => stat?.st_mode & libc::S_IFMT,
        },
    }))
}
