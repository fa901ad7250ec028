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
use boxlite_unpack::{Cancel, Cancelled, Packing};
use nix::libc;

use crate::{
    error::{Error, ErrorKind},
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
    path: PathBuf,
    from: From,
}

#[derive(Debug)]
enum From {
    Folder,
    Archive(Arc<File>, HashMap<String, Member>),
    /// One file and what was made to go with it, by names of our own.
    Made(Arc<File>, HashMap<String, Vec<u8>>),
}

/// The name of a made image's one file.
pub(crate) const CONTENT: &str = "content";

#[derive(Debug)]
enum Member {
    File {
        offset: u64,
        length: u64,
    },
    /// Where it leads, from its own folder.
    Symlink(String),
    /// The other name of the same file.
    Hardlink(String),
}

/// A file being read, from its start.
#[derive(Debug)]
pub(crate) struct Part {
    content: Content,
    /// Bytes of the whole file.
    pub(crate) length: u64,
    start: u64,
    at: u64,
}

#[derive(Debug)]
enum Content {
    File(Arc<File>),
    Bytes(Vec<u8>),
}

impl Part {
    fn new(content: Content, start: u64, length: u64) -> Self {
        Self { content, length, start, at: 0 }
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
        let read = match &self.content {
            // Several parts of one file are read side by side.
            Content::File(file) => file.read_at(buf, self.start + self.at)?,
            Content::Bytes(bytes) => {
                let from = usize::try_from(self.at).unwrap_or(usize::MAX);
                (&mut bytes.get(from..).unwrap_or_default()).read(buf)?
            }
        };
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
            return Ok(Self { path, from: From::Folder });
        }
        let mut file = open_file(&path).map_err(failed)?;
        let packed = |error: io::Error| unpacking(&path, error);
        if packing(&file).map_err(packed)? != Packing::None {
            file = unpack(&file, scratch, cancel).map_err(packed)?;
        }
        let members = index(&file, cancel).map_err(|error| no_archive(&path, error))?;
        Ok(Self { path, from: From::Archive(Arc::new(file), members) })
    }

    /// `content` under the name [`CONTENT`], and small files beside it.
    pub(crate) fn made(path: PathBuf, content: File, small: HashMap<String, Vec<u8>>) -> Self {
        Self { path, from: From::Made(Arc::new(content), small) }
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    pub(crate) fn has(&self, name: &str) -> bool {
        match &self.from {
            From::Folder => self.path.join(name).is_file(),
            From::Archive(_, members) => members.contains_key(name),
            From::Made(_, small) => name == CONTENT || small.contains_key(name),
        }
    }

    /// Opens a file; the name is one that this crate made or that `docker` confined.
    pub(crate) fn file(&self, name: &str) -> io::Result<Part> {
        match &self.from {
            From::Folder => whole(open_file(&self.path.join(name))?.into()),
            From::Archive(file, members) => {
                let (offset, length) = find(members, name).ok_or(io::ErrorKind::NotFound)?;
                Ok(Part::new(Content::File(Arc::clone(file)), offset, length))
            }
            From::Made(file, _) if name == CONTENT => whole(Arc::clone(file)),
            From::Made(_, small) => {
                let bytes = small.get(name).ok_or(io::ErrorKind::NotFound)?.clone();
                let length = bytes.len() as u64;
                Ok(Part::new(Content::Bytes(bytes), 0, length))
            }
        }
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

fn whole(file: Arc<File>) -> io::Result<Part> {
    let meta = file.metadata()?;
    if !meta.is_file() {
        return Err(io::ErrorKind::NotFound.into());
    }
    Ok(Part::new(Content::File(file), 0, meta.len()))
}

/// A compressed file that is none of this crate's, or is damaged, or is too large, or the host's disk failed.
pub(crate) fn unpacking(path: &Path, error: io::Error) -> Error {
    let text = format!("unpack image {}", path.display());
    if Cancelled::is_in(&error) {
        return Error::new(ErrorKind::Cancelled, text);
    }
    let kind = match error.kind() {
        io::ErrorKind::Unsupported => ErrorKind::Unsupported,
        io::ErrorKind::FileTooLarge => ErrorKind::TooLarge,
        // zstd has no kind of its own for damage.
        io::ErrorKind::UnexpectedEof
        | io::ErrorKind::InvalidData
        | io::ErrorKind::InvalidInput
        | io::ErrorKind::Other => ErrorKind::Corrupt,
        _ => return Error::storage(text, error),
    };
    Error::new(kind, text).because(error)
}

/// An archive, or its compression, that is not as it should be.
fn no_archive(path: &Path, error: TarError) -> Error {
    let text = |what: &str| format!("open image {}: {what}", path.display());
    match error {
        TarError::TooLarge(_) => Error::new(ErrorKind::TooLarge, text("too large")).because(error),
        TarError::Unsupported(_) => Error::new(ErrorKind::Unsupported, text("unsupported")).because(error),
        TarError::Read { source, .. } => Error::storage(text("read the archive"), source),
        error => Error::corrupt(text("no tar archive")).because(error),
    }
}

/// A missing file is the caller's mistake; anything else is a failure of the host.
pub(crate) fn opening(path: &Path, error: io::Error) -> Error {
    match error.kind() {
        io::ErrorKind::NotFound => {
            Error::new(ErrorKind::NotFound, format!("open image {}", path.display())).because(error)
        }
        _ => Error::storage(format!("open image {}", path.display()), error),
    }
}

fn find(members: &HashMap<String, Member>, name: &str) -> Option<(u64, u64)> {
    let mut name = name.to_owned();
    for _ in 0..MAX_LINKS {
        name = match members.get(&name)? {
            Member::File { offset, length } => return Some((*offset, *length)),
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

fn index(file: &File, cancel: &Cancel) -> Result<HashMap<String, Member>, TarError> {
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
                Member::File { offset: archive.stream().at(), length: entry.size }
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
