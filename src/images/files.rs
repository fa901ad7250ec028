//! The files of an image on this machine: a folder, or a tar file read in place. Called by `layout` and `docker`.
//!
//! Nothing is unpacked: an archive's members are found once, and read where they lie.

use std::{
    collections::HashMap,
    fs::File,
    io::{self, Read, Seek, SeekFrom},
    path::{Path, PathBuf},
};

use crate::{Error, ErrorKind};

/// Members of an archive; an image has a few hundred.
const MAX_MEMBERS: usize = 100_000;
/// Old `docker save` writes a layer that occurs twice as a link.
const MAX_LINKS: usize = 8;

/// A folder or an archive.
#[derive(Debug)]
pub(crate) struct Files {
    path: PathBuf,
    /// Of an archive.
    members: Option<HashMap<String, Member>>,
}

#[derive(Debug)]
enum Member {
    File { offset: u64, length: u64 },
    Link(String),
}

/// A file being read, from its start.
#[derive(Debug)]
pub(crate) struct Part {
    content: io::Take<File>,
    /// Bytes of the whole file.
    pub(crate) length: u64,
    start: u64,
}

impl Part {
    /// Goes to `offset`.
    pub(crate) fn seek(&mut self, offset: u64) -> io::Result<()> {
        self.content.get_mut().seek(SeekFrom::Start(self.start + offset))?;
        self.content.set_limit(self.length.saturating_sub(offset));
        Ok(())
    }
}

impl Read for Part {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        self.content.read(buf)
    }
}

impl Files {
    /// Looks what is at `path`; of an archive, at all its headers.
    pub(crate) fn open(path: PathBuf) -> Result<Self, Error> {
        let failed = |error: io::Error| match error.kind() {
            io::ErrorKind::NotFound => {
                Error::new(ErrorKind::NotFound, format!("open image {}", path.display())).because(error)
            }
            _ => Error::storage(format!("open image {}", path.display()), error),
        };
        if path.metadata().map_err(failed)?.is_dir() {
            return Ok(Self { path, members: None });
        }
        let mut file = File::open(&path).map_err(failed)?;
        let mut start = Vec::new();
        (&file).take(4).read_to_end(&mut start).map_err(failed)?;
        if matches!(start[..], [0x1f, 0x8b, ..] | [0x28, 0xb5, 0x2f, 0xfd] | [b'B', b'Z', b'h', _]) {
            let message =
                format!("open image {}: a compressed archive; unpack it to a plain tar", path.display());
            return Err(Error::new(ErrorKind::Unsupported, message));
        }
        file.rewind().map_err(failed)?;
        let members = index(file).map_err(|error| {
            Error::corrupt(format!("open image {}: no tar archive", path.display())).because(error)
        })?;
        Ok(Self { path, members: Some(members) })
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    pub(crate) fn has(&self, name: &str) -> bool {
        match &self.members {
            None => self.path.join(name).is_file(),
            Some(members) => members.contains_key(name),
        }
    }

    /// Opens a file; the name is one that this crate made or that `docker` confined.
    pub(crate) fn file(&self, name: &str) -> io::Result<Part> {
        let (file, start, length) = match &self.members {
            None => {
                let file = File::open(self.path.join(name))?;
                let meta = file.metadata()?;
                if !meta.is_file() {
                    return Err(io::Error::from(io::ErrorKind::NotFound));
                }
                (file, 0, meta.len())
            }
            Some(members) => {
                let (offset, length) = find(members, name).ok_or(io::ErrorKind::NotFound)?;
                (File::open(&self.path)?, offset, length)
            }
        };
        let mut part = Part { content: file.take(0), length, start };
        part.seek(0)?;
        Ok(part)
    }
}

fn find(members: &HashMap<String, Member>, name: &str) -> Option<(u64, u64)> {
    let mut name = name.to_owned();
    for _ in 0..MAX_LINKS {
        match members.get(&name)? {
            Member::File { offset, length } => return Some((*offset, *length)),
            Member::Link(target) => {
                let dir = name.rsplit_once('/').map_or("", |(dir, _)| dir);
                name = clean(&format!("{dir}/{target}"));
            }
        }
    }
    None
}

fn index(file: File) -> io::Result<HashMap<String, Member>> {
    let length = file.metadata()?.len();
    let mut members = HashMap::new();
    let mut archive = tar::Archive::new(file);
    for entry in archive.entries_with_seek()? {
        let entry = entry?;
        if members.len() >= MAX_MEMBERS {
            return Err(io::Error::other("too many members"));
        }
        let name = clean(&String::from_utf8_lossy(&entry.path_bytes()));
        let kind = entry.header().entry_type();
        let member = if kind.is_symlink() {
            let target = entry.link_name_bytes().unwrap_or_default();
            Member::Link(String::from_utf8_lossy(&target).into_owned())
        } else if kind.is_file() {
            let (offset, size) = (entry.raw_file_position(), entry.size());
            if offset.checked_add(size).is_none_or(|end| end > length) {
                return Err(io::Error::other(format!("truncated inside {name}")));
            }
            Member::File { offset, length: size }
        } else {
            continue;
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
