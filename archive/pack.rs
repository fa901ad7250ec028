//! A tree as a tar stream: GNU headers, PAX records for nanoseconds and extended attributes, sparse files as such, hard links once.
//!
//! Called by the guest for `copyOut` to a stream. Each entry bears its whole path, as tar has it; between host and box a tree travels as
//! `send` and `receive` have it, which costs no more for a deep one.

use std::{
    ffi::OsStr,
    fs::{File, Metadata},
    io::{self, Read as _, Seek as _, SeekFrom, Write},
    os::unix::{ffi::OsStrExt as _, fs::MetadataExt as _},
    path::{Path, PathBuf},
};

use nix::errno::Errno;
use tar::{Builder, EntryType, Header, HeaderMode};

use crate::{
    Error, Meter, Result,
    attributes::{self, Attributes},
    error::At as _,
    linked::Linked,
    source::Exactly,
    walk::{Visit, walk},
};

/// Up to this size a file is read before its header says how long it is: a file whose size is not true is not larger.
const LOOKED: u64 = 128 * 1024;
/// Most bytes of such a file that has more of them than it says.
const UNSAID: usize = 16 << 20;
/// Longest path of an entry.
const PATH: usize = 1 << 19;

/// Writes `source` and all below it to `out`, as `name` and all below that, with extended attributes where `xattrs` says so. Flushes `out`
/// at the end.
///
/// # Errors
/// A system call on the tree fails, a path is too long for an archive, or `out` fails.
pub fn pack(source: &Path, name: &Path, xattrs: bool, out: impl Write, meter: &Meter) -> Result<()> {
    let mut builder = Builder::new(out);
    builder.mode(HeaderMode::Complete);
    let (root, path) = (name.to_owned(), PathBuf::new());
    let mut packer = Packer { builder, meter, linked: Linked::default(), root: Some(root), path, xattrs };
    walk(source, &mut packer, meter)?;
    packer.builder.finish().map_err(Error::Stream)?;
    packer.builder.get_mut().flush().map_err(Error::Stream)
}

struct Packer<'a, W: Write> {
    builder: Builder<W>,
    meter: &'a Meter,
    linked: Linked<PathBuf>,
    /// What the first entry is called.
    root: Option<PathBuf>,
    /// The folder at hand.
    path: PathBuf,
    xattrs: bool,
}

impl<W: Write> Visit for Packer<'_, W> {
    fn folder(&mut self, name: &OsStr, folder: &File, meta: &Metadata) -> Result<()> {
        self.path = self.named(name)?;
        let attributes = self.attributes(folder)?;
        let mut header = self.header(EntryType::Directory, meta, &attributes)?;
        self.builder.append_data(&mut header, &self.path, io::empty()).map_err(Error::Stream)?;
        if self.path == Path::new(".") {
            self.path = PathBuf::new();
        }
        Ok(())
    }

    fn leave(&mut self) -> Result<()> {
        self.path.pop();
        Ok(())
    }

    fn file(
        &mut self,
        name: &OsStr,
        file: &File,
        meta: &Metadata,
        shown: &dyn Fn() -> PathBuf,
    ) -> Result<()> {
        let name = self.named(name)?;
        let bytes = name.as_os_str().len();
        if meta.nlink() > 1
            && let Some(first) = self.linked.first(meta, &name, bytes)
        {
            let mut header = self.header(EntryType::Link, meta, &Attributes::default())?;
            return self.builder.append_link(&mut header, name, first).map_err(Error::Stream);
        }
        let attributes = self.attributes(file)?;
        let mut file = file.try_clone().when("dup", shown)?;
        if meta.blocks() * 512 < meta.size() && has_hole(&mut file, meta.size()) {
            self.records(meta, &attributes)?;
            self.meter.moved(meta.size());
            self.builder.append_file(name, &mut file).when("read", shown)?;
            // What the header promised of a file that became shorter meanwhile is not there.
            let now = file.metadata().when("fstat", shown)?;
            return if now.size() < meta.size() { Err(Errno::EIO).when("read", shown) } else { Ok(()) };
        }
        let (mut begin, mut size) = (Vec::new(), meta.size());
        if size <= LOOKED {
            let mut most = usize::try_from(size).unwrap_or(0) + 1;
            loop {
                let left = most - begin.len();
                if (&file).take(left as u64).read_to_end(&mut begin).when("read", shown)? < left {
                    break;
                }
                if most == UNSAID {
                    return Err(Errno::EFBIG).when("read", shown);
                }
                most = (most * 4).clamp(4096, UNSAID);
            }
            size = begin.len() as u64;
        }
        let mut header = self.header(EntryType::Regular, meta, &attributes)?;
        header.set_size(size);
        // What grows meanwhile keeps the length that its header promised; what became shorter is an error.
        let content = Exactly { inner: begin.chain(file), left: size, meter: self.meter };
        self.builder.append_data(&mut header, name, content).when("read", shown)
    }

    fn symlink(&mut self, name: &OsStr, meta: &Metadata, target: &OsStr) -> Result<()> {
        let name = self.named(name)?;
        let mut header = self.header(EntryType::Symlink, meta, &Attributes::default())?;
        self.builder.append_link(&mut header, name, Path::new(target)).map_err(Error::Stream)
    }
}

impl<W: Write> Packer<'_, W> {
    fn named(&mut self, name: &OsStr) -> Result<PathBuf> {
        let path = self.root.take().unwrap_or_else(|| self.path.join(name));
        if path.as_os_str().len() > PATH {
            return Err(Error::Exceeded { what: "bytes of a path in a tar archive", most: PATH as u64 });
        }
        Ok(path)
    }

    fn attributes(&self, file: &File) -> Result<Attributes> {
        if self.xattrs { attributes::of(file).at("getxattr", &self.path) } else { Ok(Attributes::default()) }
    }

    /// A header with everything but name and size, after the PAX records that belong to it.
    fn header(&mut self, kind: EntryType, meta: &Metadata, attributes: &Attributes) -> Result<Header> {
        self.records(meta, attributes)?;
        let mut header = Header::new_gnu();
        header.set_entry_type(kind);
        header.set_size(0);
        header.set_mode(meta.mode() & 0o7777);
        header.set_uid(meta.uid().into());
        header.set_gid(meta.gid().into());
        header.set_mtime(meta.mtime().try_into().unwrap_or(0));
        Ok(header)
    }

    fn records(&mut self, meta: &Metadata, attributes: &Attributes) -> Result<()> {
        let plain = meta.mtime_nsec() == 0 && meta.mtime() >= 0;
        let time = decimal(meta.mtime(), meta.mtime_nsec());
        let time = (!plain).then_some((String::from("mtime"), time.as_bytes()));
        let named = attributes.iter().filter_map(|(name, value)| {
            Some((format!("SCHILY.xattr.{}", str::from_utf8(name.as_bytes()).ok()?), value.as_slice()))
        });
        let records: Vec<(String, &[u8])> = time.into_iter().chain(named).collect();
        if records.is_empty() {
            return Ok(());
        }
        let records = records.iter().map(|(name, value)| (name.as_str(), *value));
        self.builder.append_pax_extensions(records).map_err(Error::Stream)
    }
}

/// Seconds as PAX writes them. The nanoseconds count forward, also from a negative second.
fn decimal(seconds: i64, nanoseconds: i64) -> String {
    if seconds >= 0 || nanoseconds == 0 {
        return format!("{seconds}.{nanoseconds:09}");
    }
    let whole = -(seconds + 1);
    format!("-{whole}.{:09}", 1_000_000_000 - nanoseconds)
}

/// Compressed file systems have few blocks without any hole.
fn has_hole(file: &mut File, size: u64) -> bool {
    let hole = nix::unistd::lseek64(&*file, 0, nix::unistd::Whence::SeekHole);
    let found = hole.is_ok_and(|at| u64::try_from(at).is_ok_and(|at| at < size));
    file.seek(SeekFrom::Start(0)).is_ok() && found
}
