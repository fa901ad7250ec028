//! The stream in which a tree travels between host and box: records, one for each thing, each as short as possible.
//!
//! Not tar, which names every entry by its whole path and says a file's length before its content: a tree of some thousand levels would
//! be gigabytes of names, and a file whose size is not true could not be sent. A folder's record is followed by those of what is in it, up
//! to `Leave`; a file's by its data with their positions, up to `FileEnd`. Written by `send`, read by `receive`, where it may be a hostile
//! guest's: every length is bounded here.

use std::{
    ffi::OsString,
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
    gathered: Gathered,
}

impl<W: Write> RecordWriter<W> {
    pub(crate) fn new(mut out: W) -> Result<Self> {
        out.write_all(MAGIC).map_err(Error::Stream)?;
        Ok(Self { out, gathered: Gathered(Vec::new()) })
    }

    pub(crate) fn write(&mut self, record: &Record) -> Result<()> {
        let to = &mut self.gathered;
        match record {
            Record::Folder { name, meta } => to.begin(FOLDER).bytes(name.as_bytes()).meta(meta),
            Record::Leave => to.begin(LEAVE),
            Record::File { name, meta, size, number } => {
                to.begin(FILE).bytes(name.as_bytes()).meta(meta).long(*size).short(*number)
            }
            Record::Data { at, length } => to.begin(PIECE).long(*at).length(*length),
            Record::FileEnd { length } => to.begin(FILE_END).long(*length),
            Record::Symlink { name, meta, target } => {
                to.begin(SYMLINK).bytes(name.as_bytes()).meta(meta).bytes(target.as_bytes())
            }
            Record::Link { name, number } => to.begin(LINK).bytes(name.as_bytes()).short(*number),
            Record::End { skipped } => to.begin(END).long(*skipped),
        };
        self.out.write_all(&self.gathered.0).map_err(Error::Stream)
    }

    /// The bytes of the data record that was written last.
    pub(crate) fn data(&mut self, data: &[u8]) -> Result<()> {
        self.out.write_all(data).map_err(Error::Stream)
    }

    pub(crate) fn flush(&mut self) -> Result<()> {
        self.out.flush().map_err(Error::Stream)
    }
}

/// The bytes of one record.
struct Gathered(Vec<u8>);

impl Gathered {
    fn begin(&mut self, kind: u8) -> &mut Self {
        self.0.clear();
        self.0.push(kind);
        self
    }

    fn short(&mut self, number: u32) -> &mut Self {
        self.0.extend(number.to_le_bytes());
        self
    }

    fn long(&mut self, number: u64) -> &mut Self {
        self.0.extend(number.to_le_bytes());
        self
    }

    fn length(&mut self, length: usize) -> &mut Self {
        self.short(u32::try_from(length).unwrap_or(u32::MAX))
    }

    fn bytes(&mut self, bytes: &[u8]) -> &mut Self {
        self.length(bytes.len()).0.extend_from_slice(bytes);
        self
    }

    fn meta(&mut self, meta: &Meta) -> &mut Self {
        let (seconds, nanoseconds) = meta.mtime;
        self.short(meta.mode).short(meta.uid).short(meta.gid);
        self.long(seconds.cast_unsigned()).short(nanoseconds).length(meta.attributes.len());
        for (name, value) in &meta.attributes {
            self.bytes(name.as_bytes()).bytes(value);
        }
        self
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
            return Err(Error::invalid("it is no tree of this version"));
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
                    return Err(Error::invalid("a link whose target holds a NUL"));
                }
                Record::Symlink { name, meta, target }
            }
            LINK => Record::Link { name: self.name()?, number: self.short()? },
            END => Record::End { skipped: self.long()? },
            other => return Err(Error::invalid(format!("a record of kind {other}"))),
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
            .ok_or_else(|| Error::invalid(format!("a length of {length}, of {least} to {most}")))
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
            return Err(Error::invalid(format!("entry {name:?}: it is no name")));
        }
        Ok(name)
    }

    fn meta(&mut self) -> Result<Meta> {
        let (mode, uid, gid) = (self.short()?, self.short()?, self.short()?);
        let (seconds, nanoseconds) = (i64::from_le_bytes(self.array()?), self.short()?);
        if nanoseconds >= 1_000_000_000 {
            return Err(Error::invalid("a time out of range"));
        }
        let (mut attributes, mut left) = (Attributes::new(), MOST);
        for _ in 0..self.length(0, MOST)? {
            let name = OsString::from_vec(self.bytes(1, NAME.min(left))?);
            left -= name.len();
            let value = self.bytes(0, left)?;
            left -= value.len();
            if !is_kept(name.as_bytes()) || name.as_bytes().contains(&0) {
                return Err(Error::invalid(format!("attribute {name:?}: it is none that is kept")));
            }
            attributes.push((name, value));
        }
        Ok(Meta { mode, uid, gid, mtime: (seconds, nanoseconds), attributes })
    }
}

/// A stream that ends inside a record is no tree; what its reader says of itself is passed on.
fn cut(error: io::Error) -> Error {
    match error.kind() {
        io::ErrorKind::UnexpectedEof => Error::invalid("it ends too early"),
        _ => Error::Stream(error),
    }
}
