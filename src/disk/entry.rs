//! What one tar entry means for the merged file system. Made by `index`, applied by `tree`.
//!
//! Whiteouts are recognised by name (OCI image-spec, layer.md, "Whiteouts"). Paths are normalised here to `a/b/c`, relative
//! to the root and without `.` or `..`; `tree` follows symbolic links on the way.

use boxlite_archive::{EntryType, SparseMap, TarEntry};
use mkext4::spec::file_type;

use crate::{
    error::Error,
    limits::Limits,
    xattr::{self, Xattr},
};

const WHITEOUT: &str = ".wh.";
const OPAQUE: &str = ".wh..wh..opq";
/// Other names that begin like this are aufs's own bookkeeping, which every implementation skips.
const AUFS: &str = ".wh..wh.";

/// Bytes that a file's length may be: block numbers within a file have 32 bits, and so has their count (Linux,
/// `fs/ext4/super.c`, `ext4_max_size`).
const LONGEST: u64 = ((1 << 32) - 1) * 4096;
/// The seconds that an ext4 inode can hold: 34 bits, counted from 1901 (Linux, `fs/ext4/ext4.h`, "extra time").
const SECONDS: std::ops::RangeInclusive<i64> = -(1 << 31)..=(3 << 32) + (1 << 31) - 1;

/// A change that a layer makes to the file system below it.
#[derive(Debug)]
pub(crate) struct Entry {
    /// Where, from the root, without a leading slash; empty for the root itself.
    pub(crate) path: Box<str>,
    pub(crate) change: Change,
}

#[derive(Debug)]
pub(crate) enum Change {
    /// Removes what lower layers have at the path.
    Whiteout,
    /// Removes what lower layers have in the directory at the path.
    Opaque,
    /// Makes another name for the file at this path.
    Link(Box<str>),
    /// Makes a directory, or gives the one that is there new attributes.
    Dir(Attributes),
    /// Makes anything else, in place of what is there.
    Leaf(Attributes, Leaf),
}

#[derive(Debug, Clone)]
pub(crate) struct Attributes {
    pub(crate) meta: Meta,
    pub(crate) xattrs: Box<[Xattr]>,
}

/// What every inode has. Images have very many: 24 bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Meta {
    /// The time of the last change, for all four of ext4's times.
    pub(crate) seconds: i64,
    pub(crate) nanos: u32,
    pub(crate) uid: u32,
    pub(crate) gid: u32,
    /// Permissions, without the type.
    pub(crate) mode: u16,
}

/// The metadata of a directory that no layer describes.
pub(crate) const PLAIN_DIR: Meta = Meta { seconds: 0, nanos: 0, uid: 0, gid: 0, mode: 0o755 };

#[derive(Debug, Clone)]
pub(crate) enum Leaf {
    /// A regular file, by its length and its position in the layer.
    File {
        ordinal: u32,
        size: u64,
        sparse: Option<Box<SparseMap>>,
    },
    Symlink(Box<str>),
    Special(Special),
}

/// A device, a fifo or a socket.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Special {
    /// The type in a directory entry of ext4.
    pub(crate) kind: u8,
    pub(crate) major: u32,
    pub(crate) minor: u32,
}

impl Entry {
    /// Interprets a tar entry; `None` for one that means nothing.
    pub(crate) fn new(raw: TarEntry, limits: &Limits) -> Result<Option<Self>, Error> {
        let path = normalise("name", &raw.path, limits)?;
        Self::interpret(path.clone(), raw, limits)
            .map_err(|error| Error::new(error.code(), format!("read {path:?} in layer")).because(error))
    }

    fn interpret(path: String, raw: TarEntry, limits: &Limits) -> Result<Option<Self>, Error> {
        let (parent, name) = split(&path);
        let (path, change) = if name == OPAQUE {
            (parent.into(), Change::Opaque)
        } else if name.starts_with(AUFS) {
            return Ok(None);
        } else if let Some(hidden) = name.strip_prefix(WHITEOUT) {
            if matches!(hidden, "" | "." | "..") {
                return Err(Error::corrupt("whiteout of nothing"));
            }
            (join(parent, hidden), Change::Whiteout)
        } else {
            let change = change(raw, limits)?;
            if path.is_empty() && !matches!(change, Change::Dir(_)) {
                return Err(Error::corrupt("the root is no directory"));
            }
            (path.into(), change)
        };
        Ok(Some(Self { path, change }))
    }
}

fn change(raw: TarEntry, limits: &Limits) -> Result<Change, Error> {
    let attributes = Attributes { meta: meta(&raw)?, xattrs: xattr::keep(raw.xattrs)? };
    Ok(match raw.kind {
        EntryType::Directory => Change::Dir(attributes),
        // Before POSIX.1-1988, a directory was a file whose name ends with a slash.
        EntryType::Regular if raw.path.ends_with(b"/") => Change::Dir(attributes),
        EntryType::Regular | EntryType::Continuous | EntryType::GNUSparse => {
            let size = raw.sparse.as_ref().map_or(raw.size, SparseMap::size);
            // One that is not sparse ends at the limits before.
            if raw.sparse.is_some() && size > LONGEST {
                return Err(Error::unsupported(format!(
                    "file of {size} bytes, of which ext4 holds {LONGEST}"
                )));
            }
            Change::Leaf(
                attributes,
                Leaf::File {
                    ordinal: raw.ordinal,
                    size,
                    sparse: raw.sparse.filter(|_| size > 0).map(Box::new),
                },
            )
        }
        EntryType::Link => Change::Link(normalise("link target", &raw.link, limits)?.into()),
        EntryType::Symlink => {
            let target = text("link target", &raw.link, limits)?;
            if target.is_empty() || target.len() > 4095 || target.contains('\0') {
                return Err(Error::unsupported(format!(
                    "symbolic link with a target of {} bytes",
                    target.len()
                )));
            }
            Change::Leaf(attributes, Leaf::Symlink(target.into()))
        }
        EntryType::Char => special(attributes, file_type::CHR, raw.device)?,
        EntryType::Block => special(attributes, file_type::BLK, raw.device)?,
        EntryType::Fifo => special(attributes, file_type::FIFO, (0, 0))?,
        other => {
            return Err(Error::unsupported(format!("tar entry of type {:?}", char::from(other.as_byte()))));
        }
    })
}

/// ext4 keeps device numbers in the kernel's 12 + 20 bits (Linux, `include/linux/kdev_t.h`).
fn special(attributes: Attributes, kind: u8, (major, minor): (u32, u32)) -> Result<Change, Error> {
    if major >= 1 << 12 || minor >= 1 << 20 {
        return Err(Error::unsupported(format!("device number {major}:{minor}")));
    }
    Ok(Change::Leaf(attributes, Leaf::Special(Special { kind, major, minor })))
}

fn meta(raw: &TarEntry) -> Result<Meta, Error> {
    // The highest number stands for none (chown(2)).
    let id = |what: &str, id: u64| {
        let known = u32::try_from(id).ok().filter(|&id| id != u32::MAX);
        known.ok_or_else(|| Error::unsupported(format!("{what} {id}")))
    };
    let (seconds, nanos) = raw.mtime;
    let seconds = seconds.clamp(*SECONDS.start(), *SECONDS.end());
    let mode = u16::try_from(raw.mode & 0o7777).unwrap_or_default();
    Ok(Meta { seconds, nanos, uid: id("owner", raw.uid)?, gid: id("group", raw.gid)?, mode })
}

/// A name as text. The ext4 engine takes nothing but UTF-8; a changed name would be worse than a refusal.
fn text(what: &str, raw: &[u8], limits: &Limits) -> Result<String, Error> {
    if raw.len() > limits.path_bytes {
        return Err(Error::unsupported(format!("{what} of {} bytes", raw.len())));
    }
    String::from_utf8(raw.to_vec()).map_err(|error| {
        let name = raw.escape_ascii();
        Error::unsupported(format!("{what} \"{name}\" that is not UTF-8")).because(error)
    })
}

/// Brings a path to the form `a/b/c`. A `..` ends at the root, as it does for a process.
fn normalise(what: &str, raw: &[u8], limits: &Limits) -> Result<String, Error> {
    let path = text(what, raw, limits)?;
    let mut parts: Vec<&str> = Vec::new();
    for part in path.split('/') {
        match part {
            "" | "." => {}
            ".." => drop(parts.pop()),
            _ if part.len() > 255 => {
                return Err(Error::unsupported(format!(
                    "{what} {path:?} with a part of {} bytes",
                    part.len()
                )));
            }
            _ if part.contains('\0') => {
                return Err(Error::unsupported(format!("{what} {path:?} with a NUL")));
            }
            _ => parts.push(part),
        }
    }
    Ok(parts.join("/"))
}

/// Splits a normalised path into directory and name.
pub(crate) fn split(path: &str) -> (&str, &str) {
    path.rsplit_once('/').unwrap_or(("", path))
}

fn join(parent: &str, name: &str) -> Box<str> {
    if parent.is_empty() {
        return name.into();
    }
    format!("{parent}/{name}").into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_never_leave_the_root() {
        let limits = Limits::default();
        for (raw, expected) in [
            ("./a//b/./c/", "a/b/c"),
            ("/etc/passwd", "etc/passwd"),
            ("../../etc/passwd", "etc/passwd"),
            ("a/../../b", "b"),
            ("./", ""),
            ("..", ""),
        ] {
            assert_eq!(normalise("name", raw.as_bytes(), &limits).unwrap(), expected, "{raw}");
        }
        let refused = |raw: &[u8]| normalise("name", raw, &limits).unwrap_err().to_string();
        assert!(refused(b"caf\xe9").contains("UTF-8"), "{}", refused(b"caf\xe9"));
        let long = "x".repeat(256);
        assert!(refused(long.as_bytes()).contains("a part of 256 bytes"), "{}", refused(long.as_bytes()));
        let deep = "x/".repeat(4000);
        assert!(refused(deep.as_bytes()).contains("8000 bytes"), "{}", refused(deep.as_bytes()));
    }
}
