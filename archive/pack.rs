//! A tree as a tar stream: GNU headers, PAX records for nanoseconds, sparse files as such, hard links once.
//!
//! Called by the guest for `copyOut` and by the host for `copyIn`. Symlinks are packed as they are, never followed.
//! Devices, sockets and FIFOs are left out and counted.

use std::{
    collections::HashMap,
    fs::{self, File, Metadata, OpenOptions},
    io::{self, Seek as _, SeekFrom, Write},
    os::unix::fs::{MetadataExt as _, OpenOptionsExt as _},
    path::{Path, PathBuf},
};

use nix::libc;
use tar::{Builder, EntryType, Header, HeaderMode};

use crate::{
    Error, Meter, Result,
    error::At as _,
    source::{Exactly, Metered},
};

/// Writes `source` and all below it to `out`, as `name` and all below that. Flushes `out` at the end.
pub fn pack(source: &Path, name: &Path, out: impl Write, meter: &Meter) -> Result<()> {
    let mut builder = Builder::new(out);
    builder.mode(HeaderMode::Complete);
    let mut packer = Packer { builder, meter, linked: HashMap::new() };
    packer.add(source, name)?;
    packer.builder.finish().map_err(Error::Stream)?;
    packer.builder.get_mut().flush().map_err(Error::Stream)
}

struct Packer<'a, W: Write> {
    builder: Builder<W>,
    meter: &'a Meter,
    /// Files with several names, by device and inode, and the first name met.
    linked: HashMap<(u64, u64), PathBuf>,
}

impl<W: Write> Packer<'_, W> {
    fn add(&mut self, source: &Path, name: &Path) -> Result<()> {
        let meta = fs::symlink_metadata(source).at("lstat", source)?;
        let kind = meta.file_type();
        if kind.is_dir() {
            self.directory(source, name, &meta)
        } else if kind.is_symlink() {
            let target = fs::read_link(source).at("readlink", source)?;
            let mut header = self.header(EntryType::Symlink, &meta)?;
            self.meter.entry();
            self.builder.append_link(&mut header, name, target).map_err(Error::Stream)
        } else if kind.is_file() {
            self.file(source, name)
        } else {
            self.meter.skip(1);
            Ok(())
        }
    }

    fn directory(&mut self, source: &Path, name: &Path, meta: &Metadata) -> Result<()> {
        let mut header = self.header(EntryType::Directory, meta)?;
        self.meter.entry();
        self.builder.append_data(&mut header, name, io::empty()).map_err(Error::Stream)?;
        let listed = fs::read_dir(source).and_then(Iterator::collect::<io::Result<Vec<_>>>);
        let mut names: Vec<_> = listed.at("scandir", source)?.iter().map(fs::DirEntry::file_name).collect();
        names.sort_unstable();
        for child in names {
            let below = if name == Path::new(".") { PathBuf::from(&child) } else { name.join(&child) };
            match self.add(&source.join(&child), &below) {
                // It went away between the listing and now.
                Err(Error::System { errno: nix::errno::Errno::ENOENT, .. }) => {}
                added => added?,
            }
        }
        Ok(())
    }

    fn file(&mut self, source: &Path, name: &Path) -> Result<()> {
        // Without O_NONBLOCK, a FIFO that took the file's place would be waited for.
        let flags = libc::O_NOFOLLOW | libc::O_NONBLOCK;
        let mut file = OpenOptions::new().read(true).custom_flags(flags).open(source).at("open", source)?;
        let meta = file.metadata().at("fstat", source)?;
        if !meta.is_file() {
            self.meter.skip(1);
            return Ok(());
        }
        self.meter.entry();
        if meta.nlink() > 1 {
            if let Some(first) = self.linked.get(&(meta.dev(), meta.ino())).cloned() {
                let mut header = self.header(EntryType::Link, &meta)?;
                return self.builder.append_link(&mut header, name, first).map_err(Error::Stream);
            }
            self.linked.insert((meta.dev(), meta.ino()), name.to_owned());
        }
        if meta.blocks() * 512 < meta.size() && has_hole(&mut file, meta.size()) {
            self.pax_times(&meta)?;
            self.meter.moved(usize::try_from(meta.size()).unwrap_or(usize::MAX));
            return self.builder.append_file(name, &mut file).at("read", source);
        }
        let mut header = self.header(EntryType::Regular, &meta)?;
        header.set_size(meta.size());
        // A file that grows or shrinks meanwhile keeps the length that its header promised.
        let content = Metered::new(Exactly::new(file, meta.size()), self.meter);
        self.builder.append_data(&mut header, name, content).at("read", source)
    }

    /// A header with everything but name and size, after the PAX records that belong to it.
    fn header(&mut self, kind: EntryType, meta: &Metadata) -> Result<Header> {
        self.pax_times(meta)?;
        let mut header = Header::new_gnu();
        header.set_entry_type(kind);
        header.set_size(0);
        header.set_mode(meta.mode() & 0o7777);
        header.set_uid(meta.uid().into());
        header.set_gid(meta.gid().into());
        header.set_mtime(meta.mtime().try_into().unwrap_or(0));
        Ok(header)
    }

    fn pax_times(&mut self, meta: &Metadata) -> Result<()> {
        if meta.mtime_nsec() == 0 && meta.mtime() >= 0 {
            return Ok(());
        }
        let time = decimal(meta.mtime(), meta.mtime_nsec());
        self.builder.append_pax_extensions([("mtime", time.as_bytes())]).map_err(Error::Stream)
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
