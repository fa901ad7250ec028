//! The entries of a directory or of a tree, in batches, as the host takes them. Called by the Files service.

use std::{
    fs,
    os::unix::ffi::OsStrExt as _,
    path::{Path, PathBuf},
};

use boxlite_proto::{
    limits,
    v1::{DirectoryEntry, FileAnswer, FileError, FileRequest},
};
use bytes::Bytes;
use nix::libc;
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
    pub async fn read_directory(&self, request: FileRequest) -> Result<mpsc::Receiver<FileAnswer>> {
        let (answers, receiver) = mpsc::channel(AHEAD);
        let permit = self.long().await?;
        let files = self.clone();
        tokio::spawn(async move {
            let failed = answers.clone();
            let listing = files.run(move || {
                let mut batch = Batch { answers, entries: Vec::new(), bytes: 0 };
                list(path_of(&request.path), request.recursive, &mut batch)?;
                batch.send()
            });
            if let Ok(Err(error)) = listing.await {
                let _ = failed.send(FileAnswer { error: Some(error), ..FileAnswer::default() }).await;
            }
            drop(permit);
        });
        Ok(receiver)
    }
}

struct Batch {
    answers: mpsc::Sender<FileAnswer>,
    entries: Vec<DirectoryEntry>,
    bytes: usize,
}

impl Batch {
    fn add(&mut self, name: &Path, kind: fs::FileType) -> Outcome<()> {
        let name = Bytes::copy_from_slice(name.as_os_str().as_bytes());
        // What one entry costs on the wire besides its name.
        self.bytes += name.len() + 16;
        self.entries.push(DirectoryEntry { name, r#type: type_bits(kind) });
        if self.bytes >= limits::CHUNK { self.send() } else { Ok(()) }
    }

    /// A host that has gone away ends the listing.
    fn send(&mut self) -> Outcome<()> {
        self.bytes = 0;
        let entries = std::mem::take(&mut self.entries);
        self.answers
            .blocking_send(FileAnswer { entries, ..FileAnswer::default() })
            .map_err(|_| FileError { errno: libc::EPIPE, ..FileError::default() })
    }
}

fn list(path: &Path, recursive: bool, batch: &mut Batch) -> Outcome<()> {
    let mut folders = vec![PathBuf::new()];
    while let Some(below) = folders.pop() {
        let folder = if below.as_os_str().is_empty() { path.to_owned() } else { path.join(&below) };
        let entries = match fs::read_dir(&folder) {
            // It went away while its parent was listed.
            Err(error) if !below.as_os_str().is_empty() && error.raw_os_error() == Some(libc::ENOENT) => {
                continue;
            }
            entries => entries.call("scandir", &folder)?,
        };
        for entry in entries {
            let entry = entry.call("scandir", &folder)?;
            let name = below.join(entry.file_name());
            let kind = entry.file_type().call("scandir", &folder)?;
            if name.as_os_str().len() > limits::CHUNK {
                return Err(fault(libc::ENAMETOOLONG, "scandir", &folder));
            }
            batch.add(&name, kind)?;
            if recursive && kind.is_dir() {
                folders.push(name);
            }
        }
    }
    Ok(())
}

fn type_bits(kind: fs::FileType) -> u32 {
    use std::os::unix::fs::FileTypeExt as _;
    if kind.is_dir() {
        libc::S_IFDIR
    } else if kind.is_symlink() {
        libc::S_IFLNK
    } else if kind.is_file() {
        libc::S_IFREG
    } else if kind.is_fifo() {
        libc::S_IFIFO
    } else if kind.is_socket() {
        libc::S_IFSOCK
    } else if kind.is_block_device() {
        libc::S_IFBLK
    } else {
        libc::S_IFCHR
    }
}
