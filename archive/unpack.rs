//! A tar stream as a tree beneath a folder. Called by the guest for `copyIn` from a stream: names, links, sizes and headers are all checked
//! or bounded here.
//!
//! Devices and FIFOs are left out and counted. Folders get their mode and time at the end, so that what is in them can be written before.

use std::{
    collections::HashMap,
    ffi::{OsStr, OsString},
    fs::File,
    io::{self, Read, Seek as _, SeekFrom, Write as _},
    os::fd::AsFd as _,
    path::{Component, Path, PathBuf},
};

use tar::{Archive, Entry, EntryType};

use crate::{
    Error, Meter, Owner, Result, Rules,
    allowance::Allowance,
    destination::{Destination, invalid, make_folder},
    error::At as _,
    record::Meta,
    source::{Budgeted, OVER_BUDGET},
};

/// Most bytes of the headers of one entry: long names, PAX records, sparse maps.
const HEADERS: u64 = 1 << 20;
/// Most bytes of memory for the folders of one archive, whose modes and times are kept until the end.
const FOLDERS: u64 = 64 << 20;
/// What a folder takes besides its name.
const FOLDER: u64 = 120;
const BUFFER: usize = 128 * 1024;
/// A run of zeros of this length in a sparse file becomes a hole.
const HOLE: usize = 4096;

/// Unpacks `archive` beneath the folder `to`, which is made if it is missing. What was unpacked before a failure stays.
pub fn unpack(archive: impl Read, to: &Path, rules: Rules, meter: &Meter) -> Result<()> {
    make_folder(to)?;
    let (reader, budget) = Budgeted::new(archive);
    let mut archive = Archive::new(reader);
    let mut unpacker = Unpacker {
        destination: Destination::open(to, rules)?,
        way: vec![0],
        known: HashMap::new(),
        rules,
        meter,
        contents: Allowance::new("bytes", rules.max_bytes),
        folders: vec![Folder { above: 0, name: OsString::new(), made: false, meta: None }],
        memory: Allowance::new("bytes of names of folders", Some(FOLDERS)),
        buffer: vec![0; BUFFER],
    };
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
    destination: Destination,
    /// Where in `folders` those on the way down are.
    way: Vec<usize>,
    rules: Rules,
    meter: &'a Meter,
    contents: Allowance,
    /// Every folder of the archive, after the one that it is in; the first is the destination.
    folders: Vec<Folder>,
    /// Where in `folders` each is, by the one above and its name.
    known: HashMap<(usize, OsString), usize>,
    memory: Allowance,
    buffer: Vec<u8>,
}

/// A folder of the archive.
struct Folder {
    above: usize,
    name: OsString,
    /// Whether it was made for the archive; one that was there keeps what it has.
    made: bool,
    meta: Option<Meta>,
}

/// The names of an entry's path.
fn names_of(path: &Path) -> Result<Vec<OsString>> {
    let mut names = Vec::new();
    for component in path.components() {
        match component {
            Component::Normal(name) => names.push(name.to_owned()),
            // Relative to the folder, whether or not it begins with a slash.
            Component::CurDir | Component::RootDir => {}
            Component::ParentDir | Component::Prefix(_) => {
                return Err(invalid(format!("entry {path:?}: it leaves the folder")));
            }
        }
    }
    Ok(names)
}

impl Unpacker<'_> {
    fn add(&mut self, entry: &mut Entry<'_, impl Read>) -> Result<()> {
        let path = entry.path().map_err(malformed)?.into_owned();
        let mut names = names_of(&path)?;
        let kind = entry.header().entry_type();
        match kind {
            EntryType::Directory => {
                let meta = self.meta(entry)?;
                self.go_to(&names)?;
                self.meter.entry();
                // The first folder is the caller's, not the archive's.
                let folder = self.at_hand();
                self.folders[folder].meta = Some(meta);
                return Ok(());
            }
            EntryType::XGlobalHeader => return Ok(()),
            _ => {}
        }
        let last = names.pop().ok_or_else(|| invalid(format!("entry {path:?}: it has no name")))?;
        match kind {
            EntryType::Regular | EntryType::Continuous | EntryType::GNUSparse => {
                self.go_to(&names)?;
                self.file(&last, entry)
            }
            EntryType::Symlink => {
                let (target, meta) = (link_of(entry)?, self.meta(entry)?);
                self.go_to(&names)?;
                self.destination.spend()?;
                self.destination.symlink(&last, target.as_os_str())?;
                self.meter.entry();
                self.destination.dress_link(&last, &meta)
            }
            EntryType::Link => {
                let target = link_of(entry)?;
                let mut existing = names_of(&target)?;
                let Some(file) = existing.pop() else {
                    return Err(invalid(format!("entry {path:?}: a link to no file")));
                };
                self.go_to(&names)?;
                if existing == names && file == last {
                    return Ok(());
                }
                let from = self.destination.find(existing.iter().map(OsString::as_os_str));
                let from = from.when("link", || self.destination.shown(&last))?;
                self.destination.spend()?;
                self.destination.link(&last, from.as_fd(), &file)?;
                self.meter.entry();
                Ok(())
            }
            _ => {
                self.meter.skip(1);
                Ok(())
            }
        }
    }

    /// Goes to the folder that `names` lead to, from the one at hand; makes those that are missing.
    fn go_to(&mut self, names: &[OsString]) -> Result<()> {
        let below = self.way.iter().skip(1).zip(names);
        let shared = below.take_while(|(folder, name)| self.folders[**folder].name == **name).count();
        self.climb(shared + 1)?;
        for name in &names[shared..] {
            self.destination.spend()?;
            let above = self.at_hand();
            let made = self.destination.enter(name)?;
            let known = self.known.get(&(above, name.clone())).copied();
            let folder = if let Some(folder) = known {
                folder
            } else {
                self.memory.spend(FOLDER + 2 * name.len() as u64)?;
                self.folders.push(Folder { above, name: name.clone(), made, meta: None });
                let folder = self.folders.len() - 1;
                self.known.insert((above, name.clone()), folder);
                folder
            };
            self.way.push(folder);
        }
        Ok(())
    }

    /// Leaves folders until only so many are on the way down.
    fn climb(&mut self, levels: usize) -> Result<()> {
        while self.way.len() > levels {
            self.way.pop();
            self.destination.leave()?;
        }
        Ok(())
    }

    /// Where in `folders` the folder at hand is.
    fn at_hand(&self) -> usize {
        self.way.last().copied().unwrap_or(0)
    }

    fn file(&mut self, name: &OsStr, entry: &mut Entry<'_, impl Read>) -> Result<()> {
        let meta = self.meta(entry)?;
        let sparse = entry.header().entry_type() == EntryType::GNUSparse;
        let size = entry.size();
        // Before anything of it is there.
        self.destination.spend()?;
        self.contents.spend(size)?;
        let file = self.destination.file(name)?;
        self.meter.entry();
        if sparse {
            // A length that the file system can't hold fails before anything is written.
            file.set_len(size).when("ftruncate", || self.destination.shown(name))?;
        }
        let written = self.fill(&file, entry, sparse, name)?;
        if written != size {
            return Err(invalid(format!("entry {name:?}: it ends after {written} of {size} bytes")));
        }
        self.destination.dress_file(&file, name, &meta)
    }

    fn fill(&mut self, mut file: &File, entry: &mut impl Read, sparse: bool, name: &OsStr) -> Result<u64> {
        let mut written = 0;
        loop {
            let read = entry.read(&mut self.buffer).map_err(malformed)?;
            if read == 0 {
                return Ok(written);
            }
            let (data, shown) = (&self.buffer[..read], || self.destination.shown(name));
            if sparse && read >= HOLE && data.iter().all(|byte| *byte == 0) {
                file.seek(SeekFrom::Current(i64::try_from(read).unwrap_or(0))).when("lseek", shown)?;
            } else {
                file.write_all(data).when("write", shown)?;
            }
            written += read as u64;
            self.meter.moved(read as u64);
        }
    }

    fn meta(&self, entry: &mut Entry<'_, impl Read>) -> Result<Meta> {
        let header = entry.header();
        let (mut uid, mut gid) = (0, 0);
        if self.rules.owner == Owner::Named {
            let id = |id: io::Result<u64>| u32::try_from(id.map_err(malformed)?).map_err(|_| out_of_range());
            (uid, gid) = (id(header.uid())?, id(header.gid())?);
        }
        let mode = header.mode().map_err(malformed)? & 0o7777;
        let mut seconds = i64::try_from(header.mtime().map_err(malformed)?).map_err(|_| out_of_range())?;
        let mut nanoseconds = 0;
        if let Some(records) = entry.pax_extensions().map_err(malformed)? {
            for record in records.flatten().filter(|record| record.key() == Ok("mtime")) {
                (seconds, nanoseconds) = record.value().ok().and_then(parse_time).ok_or_else(out_of_range)?;
            }
        }
        Ok(Meta { mode, uid, gid, mtime: (seconds, nanoseconds), attributes: Vec::new() })
    }

    /// Puts on every folder what the archive says of it. The last that were found come first: they are never above others.
    fn finish(mut self) -> Result<()> {
        for folder in (1..self.folders.len()).rev() {
            self.return_to(folder)?;
            match self.folders[folder].meta.take() {
                Some(meta) if self.folders[folder].made => self.destination.dress_here(&meta)?,
                None if self.folders[folder].made => self.destination.open_here()?,
                _ => {}
            }
        }
        Ok(())
    }

    /// Goes to a folder that was found before, by the shortest way.
    fn return_to(&mut self, folder: usize) -> Result<()> {
        let mut down = Vec::new();
        let mut next = folder;
        let levels = loop {
            // Folders on the way down have rising numbers.
            if let Ok(level) = self.way.binary_search(&next) {
                break level + 1;
            }
            down.push(next);
            next = self.folders[next].above;
        };
        self.climb(levels)?;
        for folder in down.into_iter().rev() {
            self.destination.enter(&self.folders[folder].name)?;
            self.way.push(folder);
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
fn parse_time(text: &str) -> Option<(i64, u32)> {
    let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
    let seconds: i64 = whole.parse().ok()?;
    let digits: String = fraction.chars().chain("000000000".chars()).take(9).collect();
    let nanoseconds: u32 = digits.parse().ok().filter(|_| digits.bytes().all(|b| b.is_ascii_digit()))?;
    if whole.starts_with('-') && nanoseconds > 0 {
        return Some((seconds.checked_sub(1)?, 1_000_000_000 - nanoseconds));
    }
    Some((seconds, nanoseconds))
}

#[cfg(test)]
mod tests;
