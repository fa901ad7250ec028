//! The files of an image on this machine: a folder, or a tar file read in place. Called by `layout`, `docker` and
//! `rootfs`.
//!
//! An archive's members are found once, and read where they lie; only a compressed one is unpacked, as a whole.

use std::{
    collections::HashMap,
    fs::{File, OpenOptions},
    io::{self, Read},
    os::unix::fs::{FileExt, OpenOptionsExt},
    path::{Path, PathBuf},
    sync::Arc,
};

use boxlite_archive::{EntryType, StoredFile, TarError, TarReader};
use boxlite_error::ErrorCode;
use boxlite_unpack::{Cancel, Cancelled, Packing};
use nix::libc;

use crate::{
    error::Error,
    unpack::{Scratch, packing, unpack},
};

/// Members of an archive; an image has a few hundred.
const MAX_MEMBERS: usize = 100_000;
/// Bytes of all their names and links together.
const MAX_NAMES: usize = 16 << 20;
/// Bytes of the headers of one member.
const MAX_HEADERS: u64 = 1 << 20;
/// Old `docker save` writes a layer that occurs twice as a link.
const MAX_LINKS: usize = 8;

/// A folder or an archive.
#[derive(Debug)]
pub(crate) struct Files {
    pub(crate) path: PathBuf,
    /// Those of an archive, by name; a folder has its own.
    members: Option<HashMap<String, Member>>,
}

#[derive(Debug)]
enum Member {
    /// A part of a file.
    File(Part),
    /// Where it leads, from its own folder.
    Symlink(String),
    /// The other name of the same file.
    Hardlink(String),
}

/// A file being read, from its start.
#[derive(Debug, Clone)]
pub(crate) struct Part {
    file: Arc<File>,
    /// Bytes of the whole.
    pub(crate) length: u64,
    start: u64,
    at: u64,
}

impl Part {
    /// All of `file`.
    fn whole(file: File) -> io::Result<Self> {
        let length = file.metadata()?.len();
        Ok(Self { file: Arc::new(file), length, start: 0, at: 0 })
    }

    /// Goes to `offset`.
    pub(crate) fn seek(&mut self, offset: u64) {
        self.at = offset.min(self.length);
    }
}

impl Read for Part {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        let left = usize::try_from(self.length - self.at).unwrap_or(usize::MAX).min(buf.len());
        let buf = &mut buf[..left];
        // Several parts of one file are read side by side.
        let read = self.file.read_at(buf, self.start + self.at)?;
        self.at += read as u64;
        Ok(read)
    }
}

impl Files {
    /// Opens what is at `path`, and reads all headers of an archive. A compressed archive is unpacked into a file without a name in
    /// `scratch`.
    pub(crate) fn open(path: PathBuf, scratch: &Scratch, cancel: &Cancel) -> Result<Self, Error> {
        let failed = |error: io::Error| opening(&path, error);
        let meta = path.metadata().map_err(failed)?;
        if meta.is_dir() {
            return Ok(Self { path, members: None });
        }
        let mut file = open_file(&path).map_err(failed)?;
        let packed = |error: io::Error| unpacking(&path, error);
        if packing(&file).map_err(packed)? != Packing::None {
            file = unpack(&file, scratch, cancel).map_err(packed)?;
        }
        let members = index(&Arc::new(file), cancel).map_err(|error| no_archive(&path, error))?;
        Ok(Self { path, members: Some(members) })
    }

    /// Files that this crate made itself, with the names that it gave them.
    pub(crate) fn made<const N: usize>(path: PathBuf, files: [(&str, File); N]) -> io::Result<Self> {
        let member = |(name, file): (&str, File)| Ok((name.to_owned(), Member::File(Part::whole(file)?)));
        Ok(Self { path, members: Some(files.into_iter().map(member).collect::<io::Result<_>>()?) })
    }

    pub(crate) fn has(&self, name: &str) -> bool {
        match &self.members {
            None => self.path.join(name).is_file(),
            Some(members) => members.contains_key(name),
        }
    }

    /// Opens a file; the name is one that this crate made or that `docker` confined.
    pub(crate) fn file(&self, name: &str) -> io::Result<Part> {
        match &self.members {
            None => Part::whole(open_file(&self.path.join(name))?),
            Some(members) => Ok(find(members, name).ok_or(io::ErrorKind::NotFound)?),
        }
    }

    /// An error about what the image holds.
    pub(crate) fn error(&self, code: ErrorCode, what: &str) -> Error {
        Error::new(code, format!("read image {}: {what}", self.path.display()))
    }
}

/// Opens a regular file. Symlinks are followed, since the path is the user's own or below a folder of the user's choice, where a blob
/// counts by its digest alone: confining it (`RESOLVE_BENEATH`) would only refuse layouts that link to each other's blobs.
pub(crate) fn open_file(path: &Path) -> io::Result<File> {
    let file = OpenOptions::new().read(true).custom_flags(libc::O_NONBLOCK | libc::O_NOCTTY).open(path)?;
    if !file.metadata()?.is_file() {
        return Err(io::Error::new(io::ErrorKind::InvalidInput, "it is no regular file"));
    }
    Ok(file)
}

/// A compressed file that is none of this crate's, or is damaged, or is too large, or the host's disk failed.
pub(crate) fn unpacking(path: &Path, error: io::Error) -> Error {
    let text = format!("unpack image {}", path.display());
    if Cancelled::is_in(&error) {
        return Error::new(ErrorCode::ImageCancelled, text);
    }
    let kind = match error.kind() {
        io::ErrorKind::Unsupported => ErrorCode::ImageUnsupported,
        io::ErrorKind::FileTooLarge => ErrorCode::ImageTooLarge,
        // zstd has no kind of its own for damage.
        io::ErrorKind::UnexpectedEof
        | io::ErrorKind::InvalidData
        | io::ErrorKind::InvalidInput
        | io::ErrorKind::Other => ErrorCode::ImageCorrupt,
        _ => return Error::storage(text, error),
    };
    Error::new(kind, text).because(error)
}

/// An archive, or its compression, that is not as it should be.
fn no_archive(path: &Path, error: TarError) -> Error {
    let text = |what: &str| format!("open image {}: {what}", path.display());
    match error {
        TarError::TooLarge(_) => Error::new(ErrorCode::ImageTooLarge, text("too large")).because(error),
        TarError::Unsupported(_) => {
            Error::new(ErrorCode::ImageUnsupported, text("unsupported")).because(error)
        }
        TarError::Read { source, .. } => Error::storage(text("read the archive"), source),
        error => Error::corrupt(text("no tar archive")).because(error),
    }
}

/// A missing file is the caller's mistake; anything else is a failure of the host.
pub(crate) fn opening(path: &Path, error: io::Error) -> Error {
    match error.kind() {
        io::ErrorKind::NotFound => {
            Error::new(ErrorCode::ImageNotFound, format!("open image {}", path.display())).because(error)
        }
        _ => Error::storage(format!("open image {}", path.display()), error),
    }
}

fn find(members: &HashMap<String, Member>, name: &str) -> Option<Part> {
    let mut name = name.to_owned();
    for _ in 0..MAX_LINKS {
        name = match members.get(&name)? {
            Member::File(part) => return Some(part.clone()),
            Member::Hardlink(target) => clean(target),
            Member::Symlink(target) if target.starts_with('/') => clean(target),
            Member::Symlink(target) => {
                let dir = name.rsplit_once('/').map_or("", |(dir, _)| dir);
                clean(&format!("{dir}/{target}"))
            }
        };
    }
    None
}

fn index(file: &Arc<File>, cancel: &Cancel) -> Result<HashMap<String, Member>, TarError> {
    let read = |source| TarError::Read { what: "read the archive", source };
    let mut members = HashMap::new();
    let mut archive = TarReader::new(StoredFile::new(file).map_err(read)?, MAX_HEADERS);
    let mut letters = 0;
    let mut entries = 0;
    while let Some(entry) = archive.next()? {
        cancel.check().map_err(read)?;
        entries += 1;
        letters += entry.path.len() + entry.link.len();
        if entries > MAX_MEMBERS || letters > MAX_NAMES {
            return Err(TarError::TooLarge(format!(
                "more than {MAX_MEMBERS} members, or {MAX_NAMES} bytes of their names"
            )));
        }
        let name = clean(&String::from_utf8_lossy(&entry.path));
        let link = || String::from_utf8_lossy(&entry.link).into_owned();
        let member = match entry.kind {
            EntryType::Symlink => Member::Symlink(link()),
            EntryType::Link => Member::Hardlink(link()),
            EntryType::Regular | EntryType::Continuous if entry.sparse.is_none() => {
                let (start, length) = (archive.stream().at(), entry.size);
                Member::File(Part { file: Arc::clone(file), length, start, at: 0 })
            }
            EntryType::Regular | EntryType::Continuous | EntryType::GNUSparse => {
                return Err(TarError::Unsupported(format!("{name:?} is stored as a sparse file")));
            }
            _ => continue,
        };
        members.insert(name, member);
    }
    Ok(members)
}

/// `./a/../b` is `b`; nothing leads out.
pub(crate) fn clean(name: &str) -> String {
    let mut parts: Vec<&str> = Vec::new();
    for part in name.split('/') {
        match part {
            "" | "." => {}
            ".." => drop(parts.pop()),
            _ => parts.push(part),
        }
    }
    parts.join("/")
}
