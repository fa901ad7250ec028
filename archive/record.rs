//! The stream in which a tree travels between host and box: records, one for each thing, each as short as possible.
//!
//! Not tar, which names every entry by its whole path and says a file's length before its content: a tree of some thousand levels would
//! be gigabytes of names, and a file whose size is not true could not be sent. A folder's record is followed by those of what is in it, up
//! to `Leave`; a file's by its data with their positions, up to `FileEnd`. Written by `send`, read by `receive`, where it may be a hostile
//! guest's: every length is bounded here.

use std::{
    ffi::{OsStr, OsString},
    io::{self, Read, Write},
    os::unix::ffi::{OsStrExt as _, OsStringExt as _},
};

use crate::{
    Error, Result,
    attributes::{Attributes, MOST, is_kept},
};

/// What a stream begins with; the last byte is its version.
const MAGIC: &[u8; 8] = b"boxtree\x01";
/// Longest name, Linux's `NAME_MAX`.
const NAME: usize = 255;
/// Longest target of a symlink, Linux's `PATH_MAX`.
const TARGET: usize = 4096;
/// Most bytes of one piece of data.
pub(crate) const DATA: usize = 128 * 1024;

/// What a thing has besides its name and content.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Meta {
    pub(crate) mode: u32,
    pub(crate) uid: u32,
    pub(crate) gid: u32,
    /// Seconds and nanoseconds of the last change.
    pub(crate) mtime: (i64, u32),
    pub(crate) attributes: Attributes,
}

/// See the module.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Record {
    Folder {
        name: OsString,
        meta: Meta,
    },
    Leave,
    /// `size` is what the file says; `number` is that of a file with several names, else 0.
    File {
        name: OsString,
        meta: Meta,
        size: u64,
        number: u32,
    },
    /// Its bytes follow and have to be read before the next record.
    Data {
        at: u64,
        length: usize,
    },
    FileEnd {
        length: u64,
    },
    Symlink {
        name: OsString,
        meta: Meta,
        target: OsString,
    },
    /// One more name of the file with this number.
    Link {
        name: OsString,
        number: u32,
    },
    /// The end, and how many things were left out.
    End {
        skipped: u64,
    },
}

const FOLDER: u8 = 1;
const LEAVE: u8 = 2;
const FILE: u8 = 3;
const PIECE: u8 = 4;
const FILE_END: u8 = 5;
const SYMLINK: u8 = 6;
const LINK: u8 = 7;
const END: u8 = 8;

/// Writes records.
pub(crate) struct RecordWriter<W> {
    out: W,
    gathered: Vec<u8>,
}

impl<W: Write> RecordWriter<W> {
    pub(crate) fn new(mut out: W) -> Result<Self> {
        out.write_all(MAGIC).map_err(Error::Stream)?;
        Ok(Self { out, gathered: Vec::new() })
    }

    pub(crate) fn write(&mut self, record: &Record) -> Result<()> {
        let to = &mut self.gathered;
        to.clear();
        match record {
            Record::Folder { name, meta } => {
                to.push(FOLDER);
                put_name(to, name);
                put_meta(to, meta);
            }
            Record::Leave => to.push(LEAVE),
            Record::File { name, meta, size, number } => {
                to.push(FILE);
                put_name(to, name);
                put_meta(to, meta);
                to.extend_from_slice(&size.to_le_bytes());
                to.extend_from_slice(&number.to_le_bytes());
            }
            Record::Data { at, length } => {
                to.push(PIECE);
                to.extend_from_slice(&at.to_le_bytes());
                to.extend_from_slice(&length_of(*length).to_le_bytes());
            }
            Record::FileEnd { length } => {
                to.push(FILE_END);
                to.extend_from_slice(&length.to_le_bytes());
            }
            Record::Symlink { name, meta, target } => {
                to.push(SYMLINK);
                put_name(to, name);
                put_meta(to, meta);
                to.extend_from_slice(&length_of(target.len()).to_le_bytes());
                to.extend_from_slice(target.as_bytes());
            }
            Record::Link { name, number } => {
                to.push(LINK);
                put_name(to, name);
                to.extend_from_slice(&number.to_le_bytes());
            }
            Record::End { skipped } => {
                to.push(END);
                to.extend_from_slice(&skipped.to_le_bytes());
            }
        }
        self.out.write_all(to).map_err(Error::Stream)
    }

    /// The bytes of the data record that was written last.
    pub(crate) fn data(&mut self, data: &[u8]) -> Result<()> {
        self.out.write_all(data).map_err(Error::Stream)
    }

    pub(crate) fn flush(&mut self) -> Result<()> {
        self.out.flush().map_err(Error::Stream)
    }
}

fn length_of(length: usize) -> u32 {
    u32::try_from(length).unwrap_or(u32::MAX)
}

fn put_name(to: &mut Vec<u8>, name: &OsStr) {
    to.extend_from_slice(&length_of(name.len()).to_le_bytes());
    to.extend_from_slice(name.as_bytes());
}

fn put_meta(to: &mut Vec<u8>, meta: &Meta) {
    for number in [meta.mode, meta.uid, meta.gid] {
        to.extend_from_slice(&number.to_le_bytes());
    }
    to.extend_from_slice(&meta.mtime.0.to_le_bytes());
    to.extend_from_slice(&meta.mtime.1.to_le_bytes());
    to.extend_from_slice(&length_of(meta.attributes.len()).to_le_bytes());
    for (name, value) in &meta.attributes {
        put_name(to, name);
        to.extend_from_slice(&length_of(value.len()).to_le_bytes());
        to.extend_from_slice(value);
    }
}

/// Reads records.
pub(crate) struct RecordReader<R> {
    stream: R,
}

impl<R: Read> RecordReader<R> {
    pub(crate) fn new(stream: R) -> Result<Self> {
        let mut reader = Self { stream };
        if &reader.array()? != MAGIC {
            return Err(invalid("it is no tree of this version"));
        }
        Ok(reader)
    }

    pub(crate) fn read(&mut self) -> Result<Record> {
        let [kind] = self.array()?;
        Ok(match kind {
            FOLDER => Record::Folder { name: self.name()?, meta: self.meta()? },
            LEAVE => Record::Leave,
            FILE => {
                let (name, meta) = (self.name()?, self.meta()?);
                Record::File { name, meta, size: self.long()?, number: self.short()? }
            }
            PIECE => Record::Data { at: self.long()?, length: self.length(1, DATA)? },
            FILE_END => Record::FileEnd { length: self.long()? },
            SYMLINK => {
                let (name, meta) = (self.name()?, self.meta()?);
                let target = OsString::from_vec(self.bytes(1, TARGET)?);
                if target.as_bytes().contains(&0) {
                    return Err(invalid("a link whose target holds a NUL"));
                }
                Record::Symlink { name, meta, target }
            }
            LINK => Record::Link { name: self.name()?, number: self.short()? },
            END => Record::End { skipped: self.long()? },
            other => return Err(invalid(&format!("a record of kind {other}"))),
        })
    }

    /// Fills `data` with bytes of the data record that was read last.
    pub(crate) fn data(&mut self, data: &mut [u8]) -> Result<()> {
        self.stream.read_exact(data).map_err(cut)
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N]> {
        let mut bytes = [0; N];
        self.stream.read_exact(&mut bytes).map_err(cut)?;
        Ok(bytes)
    }

    fn short(&mut self) -> Result<u32> {
        self.array().map(u32::from_le_bytes)
    }

    fn long(&mut self) -> Result<u64> {
        self.array().map(u64::from_le_bytes)
    }

    fn length(&mut self, least: usize, most: usize) -> Result<usize> {
        let length = self.short()?;
        usize::try_from(length)
            .ok()
            .filter(|length| (least..=most).contains(length))
            .ok_or_else(|| invalid(&format!("a length of {length}, of {least} to {most}")))
    }

    fn bytes(&mut self, least: usize, most: usize) -> Result<Vec<u8>> {
        let mut bytes = vec![0; self.length(least, most)?];
        self.stream.read_exact(&mut bytes).map_err(cut)?;
        Ok(bytes)
    }

    /// One plain name.
    fn name(&mut self) -> Result<OsString> {
        let name = OsString::from_vec(self.bytes(1, NAME)?);
        let bytes = name.as_bytes();
        if matches!(bytes, b"." | b"..") || bytes.iter().any(|byte| matches!(byte, 0 | b'/')) {
            return Err(invalid(&format!("entry {name:?}: it is no name")));
        }
        Ok(name)
    }

    fn meta(&mut self) -> Result<Meta> {
        let (mode, uid, gid) = (self.short()?, self.short()?, self.short()?);
        let (seconds, nanoseconds) = (i64::from_le_bytes(self.array()?), self.short()?);
        if nanoseconds >= 1_000_000_000 {
            return Err(invalid("a time out of range"));
        }
        let (mut attributes, mut left) = (Attributes::new(), MOST);
        for _ in 0..self.length(0, MOST)? {
            let name = OsString::from_vec(self.bytes(1, NAME.min(left))?);
            left -= name.len();
            let value = self.bytes(0, left)?;
            left -= value.len();
            if !is_kept(name.as_bytes()) || name.as_bytes().contains(&0) {
                return Err(invalid(&format!("attribute {name:?}: it is none that is kept")));
            }
            attributes.push((name, value));
        }
        Ok(Meta { mode, uid, gid, mtime: (seconds, nanoseconds), attributes })
    }
}

fn invalid(what: &str) -> Error {
    Error::Invalid(what.to_owned())
}

/// A stream that ends inside a record is no tree; what its reader says of itself is passed on.
fn cut(error: io::Error) -> Error {
    match error.kind() {
        io::ErrorKind::UnexpectedEof => invalid("it ends too early"),
        _ => Error::Stream(error),
    }
}
