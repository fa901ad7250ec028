//! A tree as a stream of records. Called by the host for `copyIn` and by the guest for `copyOut`; read by `receive`.

use std::{
    ffi::{OsStr, OsString},
    fs::{File, Metadata},
    io::Write,
    os::unix::fs::MetadataExt as _,
    path::{Path, PathBuf},
};

use crate::{
    Content, Meter, Result,
    attributes::{self, Attributes},
    error::At as _,
    linked::Linked,
    record::{DATA, Meta, Record, RecordWriter},
    walk::{Visit, walk},
};

/// Writes `source` and all below it to `out`, with extended attributes where `xattrs` says so. Flushes `out` at the end.
///
/// # Errors
/// A system call on the tree fails, or `out` fails.
pub fn send(source: &Path, xattrs: bool, out: impl Write, meter: &Meter) -> Result<()> {
    let records = RecordWriter::new(out)?;
    let mut sender =
        Sender { records, meter, linked: Linked::default(), number: 0, xattrs, buffer: vec![0; DATA] };
    walk(source, &mut sender, meter)?;
    sender.records.write(&Record::End { skipped: meter.progress().skipped })?;
    sender.records.flush()
}

struct Sender<'a, W> {
    records: RecordWriter<W>,
    meter: &'a Meter,
    linked: Linked<u32>,
    /// Of the last file with several names.
    number: u32,
    xattrs: bool,
    buffer: Vec<u8>,
}

impl<W: Write> Visit for Sender<'_, W> {
    fn folder(&mut self, name: &OsStr, folder: &File, meta: &Metadata) -> Result<()> {
        let meta = self.described(folder, meta, &|| PathBuf::from(name))?;
        self.records.write(&Record::Folder { name: plain(name), meta })
    }

    fn leave(&mut self) -> Result<()> {
        self.records.write(&Record::Leave)
    }

    fn file(
        &mut self,
        name: &OsStr,
        file: &File,
        meta: &Metadata,
        shown: &dyn Fn() -> PathBuf,
    ) -> Result<()> {
        let mut number = 0;
        if meta.nlink() > 1 && self.number < u32::MAX {
            let next = self.number + 1;
            if let Some(number) = self.linked.first(meta, &next, 0) {
                return self.records.write(&Record::Link { name: name.to_owned(), number });
            }
            (self.number, number) = (next, next);
        }
        let (name, size) = (name.to_owned(), meta.size());
        let described = self.described(file, meta, shown)?;
        self.records.write(&Record::File { name, meta: described, size, number })?;
        let mut content = Content::new(file, meta);
        let mut reached = 0;
        while let Some((at, length)) = content.read(&mut self.buffer).when("read", shown)? {
            self.records.write(&Record::Data { at, length })?;
            self.records.data(&self.buffer[..length])?;
            self.meter.moved(at + length as u64 - reached);
            reached = at + length as u64;
        }
        let length = content.position();
        self.meter.moved(length - reached);
        self.records.write(&Record::FileEnd { length })
    }

    fn symlink(&mut self, name: &OsStr, meta: &Metadata, target: &OsStr) -> Result<()> {
        let (meta, target) = (meta_of(meta, Attributes::new()), target.to_owned());
        self.records.write(&Record::Symlink { name: name.to_owned(), meta, target })
    }
}

impl<W: Write> Sender<'_, W> {
    fn described(&self, file: &File, meta: &Metadata, shown: &dyn Fn() -> PathBuf) -> Result<Meta> {
        let attributes = if self.xattrs { attributes::of(file).when("getxattr", shown)? } else { Vec::new() };
        Ok(meta_of(meta, attributes))
    }
}

fn meta_of(meta: &Metadata, attributes: Attributes) -> Meta {
    let nanoseconds = u32::try_from(meta.mtime_nsec()).unwrap_or(0);
    Meta {
        mode: meta.mode() & 0o7777,
        uid: meta.uid(),
        gid: meta.gid(),
        mtime: (meta.mtime(), nanoseconds),
        attributes,
    }
}

/// A root folder has no name of its own, and its receiver does not need one.
fn plain(name: &OsStr) -> OsString {
    if name == "." { OsString::from("root") } else { name.to_owned() }
}
