//! A tree as a tar stream: GNU headers, PAX records for nanoseconds, sparse files as such, hard links once.
//!
//! Called by the guest for `copyOut` and by the host for `copyIn`. Symlinks are packed as they are, never followed, also those that
//! take a folder's place meanwhile.
//! Devices, sockets and FIFOs are left out and counted.

use std::{
    collections::HashMap,
    ffi::{OsStr, OsString},
    fs::{File, Metadata},
    io::{self, Seek as _, SeekFrom, Write},
    os::{
        fd::{AsFd as _, BorrowedFd, OwnedFd},
        unix::{ffi::OsStrExt as _, fs::MetadataExt as _},
    },
    path::{Path, PathBuf},
};

use nix::{
    dir::{Dir, Entry},
    errno::Errno,
    fcntl::{AT_FDCWD, OFlag, openat, readlinkat},
    sys::stat::Mode,
};
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
    packer.add(At { parent: AT_FDCWD, name: source.as_os_str(), shown: source }, name)?;
    packer.builder.finish().map_err(Error::Stream)?;
    packer.builder.get_mut().flush().map_err(Error::Stream)
}

struct Packer<'a, W: Write> {
    builder: Builder<W>,
    meter: &'a Meter,
    /// Files with several names, by device and inode, and the first name met.
    linked: HashMap<(u64, u64), PathBuf>,
}

/// Where something lies: in a folder that is held open, so that no symlink which somebody puts in its or that folder's place
/// leads elsewhere.
#[derive(Clone, Copy)]
struct At<'a> {
    parent: BorrowedFd<'a>,
    name: &'a OsStr,
    /// Its whole path, for errors.
    shown: &'a Path,
}

impl At<'_> {
    fn open(self, flags: OFlag) -> nix::Result<OwnedFd> {
        openat(self.parent, self.name, flags | OFlag::O_NOFOLLOW | OFlag::O_CLOEXEC, Mode::empty())
    }
}

impl<W: Write> Packer<'_, W> {
    fn add(&mut self, source: At<'_>, name: &Path) -> Result<()> {
        let there = File::from(source.open(OFlag::O_PATH).at("lstat", source.shown)?);
        let meta = there.metadata().at("lstat", source.shown)?;
        let kind = meta.file_type();
        if kind.is_dir() {
            self.directory(source, name)
        } else if kind.is_symlink() {
            let target = readlinkat(&there, "").at("readlink", source.shown)?;
            let mut header = self.header(EntryType::Symlink, &meta)?;
            self.meter.entry();
            self.builder.append_link(&mut header, name, Path::new(&target)).map_err(Error::Stream)
        } else if kind.is_file() {
            self.file(source, name)
        } else {
            self.meter.skip(1);
            Ok(())
        }
    }

    fn directory(&mut self, source: At<'_>, name: &Path) -> Result<()> {
        let folder = File::from(source.open(OFlag::O_DIRECTORY).at("scandir", source.shown)?);
        let meta = folder.metadata().at("fstat", source.shown)?;
        let mut header = self.header(EntryType::Directory, &meta)?;
        self.meter.entry();
        self.builder.append_data(&mut header, name, io::empty()).map_err(Error::Stream)?;
        let mut folder = Dir::from_fd(folder.into()).at("scandir", source.shown)?;
        let mut names =
            folder.iter().map(|entry| entry.map(|entry| name_of(&entry))).collect::<nix::Result<Vec<_>>>();
        let names = names.as_mut().map_err(|errno| *errno).at("scandir", source.shown)?;
        names.sort_unstable();
        for child in names.iter().filter(|child| !matches!(child.as_bytes(), b"." | b"..")) {
            let below = if name == Path::new(".") { PathBuf::from(child) } else { name.join(child) };
            let shown = source.shown.join(child);
            match self.add(At { parent: folder.as_fd(), name: child, shown: &shown }, &below) {
                // It went away between the listing and now.
                Err(Error::System { errno: Errno::ENOENT, .. }) => {}
                added => added?,
            }
        }
        Ok(())
    }

    fn file(&mut self, at: At<'_>, name: &Path) -> Result<()> {
        let source = at.shown;
        // Without O_NONBLOCK, a FIFO that took the file's place would be waited for.
        let mut file = File::from(at.open(OFlag::O_NONBLOCK).at("open", source)?);
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

fn name_of(entry: &Entry) -> OsString {
    OsStr::from_bytes(entry.file_name().to_bytes()).to_owned()
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
