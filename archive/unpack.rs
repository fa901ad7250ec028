//! A tar stream as a tree beneath a folder. Called by the guest for `copyIn` and by the host for `copyOut`, where the
//! stream is a hostile guest's: names, links, sizes and headers are all checked or bounded here.
//!
//! Devices and FIFOs are left out and counted. Directories get their mode and time at the end, so that what is in them
//! can be written before.

use std::{
    collections::BTreeMap,
    ffi::OsString,
    fs::{self, File},
    io::{self, Read, Seek as _, SeekFrom, Write as _},
    path::{Path, PathBuf},
};

use nix::{
    sys::{
        stat::{Mode, fchmod, futimens},
        time::TimeSpec,
    },
    unistd::{Gid, Uid, fchown},
};
use tar::{Archive, Entry, EntryType};

use crate::{
    Error, Meter, Result,
    allowance::Allowance,
    confined::{Confined, Inside},
    error::At as _,
    source::{Budgeted, OVER_BUDGET},
};

/// Most bytes of the headers of one entry: long names, PAX records, sparse maps.
const HEADERS: u64 = 1 << 20;
/// Most directories of one archive, whose modes and times are kept until the end.
const DIRECTORIES: usize = 1 << 20;
const BUFFER: usize = 128 * 1024;
/// A run of zeros of this length in a sparse file becomes a hole.
const HOLE: usize = 4096;

/// What of an archive is kept.
#[derive(Debug, Clone, Copy, Default)]
pub struct Unpack {
    /// Give files to the users and groups that the archive names by number. Default: to the caller's.
    pub owners: bool,
    /// Keep the setuid, setgid and sticky bits. Default: they are dropped.
    pub special_bits: bool,
    /// Most bytes of file contents, holes included. Default: any number.
    pub max_bytes: Option<u64>,
    /// Most files, folders and links, the folders that the archive takes for granted included. Default: any number.
    pub max_entries: Option<u64>,
}

/// Where an archive goes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place {
    /// The folder that nothing leaves.
    pub folder: PathBuf,
    /// The one name in it that the archive may touch; all of them otherwise.
    root: Option<OsString>,
    /// What the archive calls that.
    named: PathBuf,
}

impl Place {
    /// A folder for what the archive holds; made with its parents if it is missing.
    pub fn folder(path: &Path) -> Result<Self> {
        fs::create_dir_all(path).at("mkdir", path)?;
        Ok(Self { folder: path.to_owned(), root: None, named: PathBuf::from(".") })
    }

    /// A path for the one file or tree that the archive holds. Its parents are made if they are missing; a symlink to a
    /// directory stands for that directory, since the caller chose it.
    pub fn exactly(path: &Path) -> Result<Self> {
        let Some(named) = path.file_name().map(PathBuf::from) else { return Self::folder(path) };
        let path = if path.is_dir() { fs::canonicalize(path).at("realpath", path)? } else { path.to_owned() };
        let Some(root) = path.file_name() else { return Self::folder(&path) };
        let folder = match path.parent() {
            Some(parent) if !parent.as_os_str().is_empty() => parent.to_owned(),
            _ => PathBuf::from("."),
        };
        fs::create_dir_all(&folder).at("mkdir", &folder)?;
        Ok(Self { folder, root: Some(root.to_owned()), named })
    }

    /// What the archive's root must be called: the path's own last name, "." for a folder.
    pub fn root_name(&self) -> &Path {
        &self.named
    }
}

/// Unpacks `archive` at `place`. What was unpacked before a failure stays.
pub fn unpack(archive: impl Read, place: &Place, options: Unpack, meter: &Meter) -> Result<()> {
    let (reader, budget) = Budgeted::new(archive);
    let mut archive = Archive::new(reader);
    let folder = Confined::open(&place.folder, Allowance::new("entries", options.max_entries))?;
    let contents = Allowance::new("bytes", options.max_bytes);
    let directories = BTreeMap::new();
    let mut unpacker =
        Unpacker { folder, place, options, meter, contents, directories, buffer: vec![0; BUFFER] };
    let mut entries = archive.entries().map_err(Error::Stream)?;
    loop {
        budget.set(HEADERS);
        let Some(entry) = entries.next() else { break };
        let mut entry = entry.map_err(malformed)?;
        budget.set(u64::MAX);
        unpacker.add(&mut entry)?;
        // To its end, so that the next headers are all that the next budget is for.
        io::copy(&mut entry, &mut io::sink()).map_err(malformed)?;
    }
    unpacker.finish()
}

/// What the tar crate says of itself carries no errno; what the stream's reader says is passed on.
fn malformed(error: io::Error) -> Error {
    let text = error.to_string();
    if error.kind() == io::ErrorKind::Other && (text.contains(OVER_BUDGET) || error.raw_os_error().is_none())
    {
        return Error::Invalid(text);
    }
    match error.kind() {
        io::ErrorKind::InvalidData | io::ErrorKind::UnexpectedEof | io::ErrorKind::InvalidInput => {
            Error::Invalid(text)
        }
        _ => Error::Stream(error),
    }
}

struct Unpacker<'a> {
    folder: Confined,
    place: &'a Place,
    options: Unpack,
    meter: &'a Meter,
    contents: Allowance,
    directories: BTreeMap<Inside, Dress>,
    buffer: Vec<u8>,
}

/// What is put on a file once its contents are there.
#[derive(Debug, Clone, Copy)]
struct Dress {
    owner: Option<(u32, u32)>,
    mode: u32,
    mtime: TimeSpec,
}

impl Unpacker<'_> {
    fn add(&mut self, entry: &mut Entry<'_, impl Read>) -> Result<()> {
        let inside = self.inside(&entry.path().map_err(malformed)?)?;
        let kind = entry.header().entry_type();
        match kind {
            EntryType::Directory => self.directory(inside, entry),
            EntryType::Regular | EntryType::Continuous | EntryType::GNUSparse => self.file(&inside, entry),
            EntryType::Symlink => {
                let target = link_of(entry)?;
                let Dress { owner, mtime, .. } = self.dress(entry)?;
                self.folder.symlink(&inside, &target)?;
                self.meter.entry();
                self.folder.dress(&inside, owner, None, mtime)
            }
            EntryType::Link => {
                let existing = self.inside(&link_of(entry)?)?;
                self.folder.link(&inside, &existing)?;
                self.meter.entry();
                Ok(())
            }
            EntryType::XGlobalHeader => Ok(()),
            _ => {
                self.meter.skip(1);
                Ok(())
            }
        }
    }

    /// The path of an entry, or of a hard link's other name, both of which must be the archive's own.
    fn inside(&self, path: &Path) -> Result<Inside> {
        let inside = Inside::new(path)?;
        let Some(root) = &self.place.root else { return Ok(inside) };
        let named = &self.place.named;
        let below = inside.path().strip_prefix(named).map_err(|_| {
            Error::Invalid(format!("entry {path:?}: not below {named:?}, which was asked for"))
        })?;
        Inside::new(&Path::new(root).join(below))
    }

    fn directory(&mut self, inside: Inside, entry: &mut Entry<'_, impl Read>) -> Result<()> {
        let dress = self.dress(entry)?;
        self.folder.directory(&inside)?;
        self.meter.entry();
        // The folder itself is the caller's, not the archive's.
        if !inside.is_root() {
            self.directories.insert(inside, dress);
        }
        if self.directories.len() > DIRECTORIES {
            return Err(Error::Invalid(format!("it has more than {DIRECTORIES} directories")));
        }
        Ok(())
    }

    fn file(&mut self, inside: &Inside, entry: &mut Entry<'_, impl Read>) -> Result<()> {
        let Dress { owner, mode, mtime } = self.dress(entry)?;
        let sparse = entry.header().entry_type() == EntryType::GNUSparse;
        let size = entry.size();
        // Before anything of it is there.
        self.contents.spend(size)?;
        let file = self.folder.file(inside)?;
        self.meter.entry();
        let path = inside.path();
        if sparse {
            // A length that the file system can't hold fails before anything is written.
            file.set_len(size).at("ftruncate", path)?;
        }
        let written = self.fill(&file, entry, sparse, path)?;
        if written != size {
            return Err(Error::Invalid(format!("entry {path:?}: it ends after {written} of {size} bytes")));
        }
        if let Some((uid, gid)) = owner {
            fchown(&file, Some(Uid::from_raw(uid)), Some(Gid::from_raw(gid))).at("fchown", path)?;
        }
        fchmod(&file, Mode::from_bits_truncate(mode)).at("fchmod", path)?;
        futimens(&file, &mtime, &mtime).at("futime", path)
    }

    fn fill(&mut self, mut file: &File, entry: &mut impl Read, sparse: bool, path: &Path) -> Result<u64> {
        let mut written = 0;
        loop {
            let read = entry.read(&mut self.buffer).map_err(malformed)?;
            if read == 0 {
                return Ok(written);
            }
            let data = &self.buffer[..read];
            if sparse && read >= HOLE && data.iter().all(|byte| *byte == 0) {
                file.seek(SeekFrom::Current(i64::try_from(read).unwrap_or(0))).at("lseek", path)?;
            } else {
                file.write_all(data).at("write", path)?;
            }
            written += read as u64;
            self.meter.moved(read);
        }
    }

    fn dress(&self, entry: &mut Entry<'_, impl Read>) -> Result<Dress> {
        let header = entry.header();
        let owner = if self.options.owners {
            let id = |id: io::Result<u64>| u32::try_from(id.map_err(malformed)?).map_err(|_| out_of_range());
            Some((id(header.uid())?, id(header.gid())?))
        } else {
            None
        };
        let bits = if self.options.special_bits { 0o7777 } else { 0o777 };
        let mode = header.mode().map_err(malformed)? & bits;
        let mut seconds = i64::try_from(header.mtime().map_err(malformed)?).map_err(|_| out_of_range())?;
        let mut nanoseconds = 0;
        if let Some(records) = entry.pax_extensions().map_err(malformed)? {
            for record in records.flatten().filter(|record| record.key() == Ok("mtime")) {
                (seconds, nanoseconds) = record.value().ok().and_then(parse_time).ok_or_else(out_of_range)?;
            }
        }
        Ok(Dress { owner, mode, mtime: TimeSpec::new(seconds, nanoseconds) })
    }

    /// The innermost directories first: dressing one must not need another that can't be entered any more.
    fn finish(mut self) -> Result<()> {
        for (inside, Dress { owner, mode, mtime }) in std::mem::take(&mut self.directories).into_iter().rev()
        {
            self.folder.dress(&inside, owner, Some(mode), mtime)?;
        }
        Ok(())
    }
}

fn out_of_range() -> Error {
    Error::Invalid("a number in a header is out of range".to_owned())
}

fn link_of(entry: &Entry<'_, impl Read>) -> Result<PathBuf> {
    match entry.link_name().map_err(malformed)? {
        Some(target) if !target.as_os_str().is_empty() => Ok(target.into_owned()),
        _ => Err(Error::Invalid("a link without a target".to_owned())),
    }
}

/// "-1.5" is a second and a half before the epoch; nanoseconds count forward.
fn parse_time(text: &str) -> Option<(i64, i64)> {
    let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
    let seconds: i64 = whole.parse().ok()?;
    let digits: String = fraction.chars().chain("000000000".chars()).take(9).collect();
    let nanoseconds: i64 = digits.parse().ok().filter(|_| digits.bytes().all(|b| b.is_ascii_digit()))?;
    if whole.starts_with('-') && nanoseconds > 0 {
        return Some((seconds.checked_sub(1)?, 1_000_000_000 - nanoseconds));
    }
    Some((seconds, nanoseconds))
}

#[cfg(test)]
mod tests;
