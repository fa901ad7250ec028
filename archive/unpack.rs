//! A tar stream as a tree beneath a folder. Called by the guest for `copyIn` from a stream: names, links, sizes and headers are all checked
//! or bounded here.
//!
//! Devices and FIFOs are left out and counted. Folders get their mode and time at the end, so that what is in them can be written before.

use std::{
    collections::HashMap,
    ffi::{OsStr, OsString},
    fs::File,
    io::{self, Read},
    os::{
        fd::AsFd as _,
        unix::{ffi::OsStrExt as _, fs::FileExt as _},
    },
    path::{Component, Path},
};

use ::tar::EntryType;

use crate::{
    allowance::Allowance,
    destination::{Destination, Owner, Rules, make_folder},
    error::{At as _, Error, Result},
    meter::Meter,
    record::Meta,
    tar::{SparseReader, Stream, TarEntry, TarError, TarReader},
};

/// Most bytes of the headers of one entry: long names, PAX records, sparse maps.
const HEADERS: u64 = 1 << 20;
/// Most bytes of memory for the folders of one archive, whose modes and times are kept until the end.
const FOLDERS: u64 = 64 << 20;
/// What a folder takes besides its name.
const FOLDER: u64 = 120;
const BUFFER: usize = 128 * 1024;

/// Unpacks `archive` beneath the folder `to`, which is made if it is missing. What was unpacked before a failure stays.
///
/// # Errors
/// The archive is malformed, wants what it may not have or exceeds the rules, its stream breaks, or the kernel refuses.
pub fn unpack(archive: impl Read, to: &Path, rules: Rules, meter: &Meter) -> Result<()> {
    make_folder(to)?;
    let mut archive = TarReader::new(Stream(archive), HEADERS);
    let mut unpacker = Unpacker {
        destination: Destination::open(to, rules, meter)?,
        way: vec![0],
        known: HashMap::new(),
        rules,
        folders: vec![Folder { above: 0, name: OsString::new(), made: false, meta: None }],
        memory: Allowance::new("bytes of names of folders", Some(FOLDERS)),
        buffer: vec![0; BUFFER],
    };
    while let Some(entry) = archive.next()? {
        unpacker.add(&entry, &mut archive)?;
    }
    unpacker.finish()
}

struct Unpacker<'a> {
    destination: Destination<'a>,
    /// Where in `folders` those on the way down are.
    way: Vec<usize>,
    rules: Rules,
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
                return Err(Error::invalid(format!("entry {path:?}: it leaves the folder")));
            }
        }
    }
    Ok(names)
}

impl Unpacker<'_> {
    fn add(&mut self, entry: &TarEntry, content: &mut impl Read) -> Result<()> {
        let path = Path::new(OsStr::from_bytes(&entry.path));
        let mut names = names_of(path)?;
        if entry.kind == EntryType::Directory {
            let meta = self.meta(entry)?;
            self.go_to(&names)?;
            self.destination.meter.entry();
            // The first folder is the caller's, not the archive's.
            let folder = self.at_hand();
            self.folders[folder].meta = Some(meta);
            return Ok(());
        }
        let last = names.pop().ok_or_else(|| Error::invalid(format!("entry {path:?}: it has no name")))?;
        match entry.kind {
            EntryType::Regular | EntryType::Continuous | EntryType::GNUSparse => {
                self.go_to(&names)?;
                self.file(&last, entry, content)
            }
            EntryType::Symlink => {
                let (target, meta) = (target_of(entry)?, self.meta(entry)?);
                self.go_to(&names)?;
                self.destination.spend()?;
                self.destination.symlink(&last, target)?;
                self.destination.meter.entry();
                self.destination.describe_link(&last, &meta)
            }
            EntryType::Link => {
                let mut existing = names_of(Path::new(target_of(entry)?))?;
                let Some(file) = existing.pop() else {
                    return Err(Error::invalid(format!("entry {path:?}: a link to no file")));
                };
                self.go_to(&names)?;
                if existing == names && file == last {
                    return Ok(());
                }
                let from = self.destination.find(existing.iter().map(OsString::as_os_str));
                let from = from.when("link", || self.destination.shown(&last))?;
                self.destination.spend()?;
                self.destination.link(&last, from.as_fd(), &file)?;
                self.destination.meter.entry();
                Ok(())
            }
            _ => {
                self.destination.meter.skip(1);
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

    fn file(&mut self, name: &OsStr, entry: &TarEntry, content: &mut impl Read) -> Result<()> {
        let meta = self.meta(entry)?;
        let length = entry.length();
        // Before anything of it is there.
        self.destination.spend()?;
        self.destination.spend_bytes(length)?;
        let file = self.destination.file(name)?;
        self.destination.meter.entry();
        if let Some(map) = &entry.sparse {
            // A length that the file system can't hold fails before anything is written.
            file.set_len(length).when("ftruncate", || self.destination.shown(name))?;
            let mut content = SparseReader::new(map, content);
            let mut reached = 0;
            for (start, end) in map.blocks() {
                self.destination.meter.moved(start - reached);
                self.fill(&file, name, start, end, &mut content)?;
                reached = end;
            }
            self.destination.meter.moved(length - reached);
        } else {
            self.fill(&file, name, 0, length, content)?;
        }
        self.destination.describe_file(&file, name, &meta)
    }

    /// Writes what `content` gives next to the bytes of `file` from `start` to `end`.
    fn fill(
        &mut self,
        file: &File,
        name: &OsStr,
        start: u64,
        end: u64,
        content: &mut impl Read,
    ) -> Result<()> {
        let mut at = start;
        while at < end {
            let wanted = usize::try_from(end - at).map_or(BUFFER, |left| left.min(BUFFER));
            let read = match content.read(&mut self.buffer[..wanted]) {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                read => read.map_err(|error| TarError::reading("read tar", error))?,
            };
            if read == 0 {
                return Err(Error::invalid(format!("entry {name:?}: it ends after {at} of {end} bytes")));
            }
            let written = file.write_all_at(&self.buffer[..read], at);
            written.when("write", || self.destination.shown(name))?;
            at += read as u64;
            self.destination.meter.moved(read as u64);
        }
        Ok(())
    }

    fn meta(&self, entry: &TarEntry) -> Result<Meta> {
        let (mut uid, mut gid) = (0, 0);
        if self.rules.owner == Owner::Named {
            let id = |id: u64| {
                u32::try_from(id).map_err(|_| Error::invalid("a number in a header is out of range"))
            };
            (uid, gid) = (id(entry.uid)?, id(entry.gid)?);
        }
        Ok(Meta { mode: entry.mode & 0o7777, uid, gid, mtime: entry.mtime, attributes: Vec::new() })
    }

    /// Puts on every folder what the archive says of it. The last that were found come first: they are never above others.
    fn finish(mut self) -> Result<()> {
        for folder in (1..self.folders.len()).rev() {
            self.return_to(folder)?;
            match self.folders[folder].meta.take() {
                Some(meta) if self.folders[folder].made => self.destination.describe_here(&meta)?,
                None if self.folders[folder].made => self.destination.open_to_others()?,
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

/// Where a link leads.
fn target_of(entry: &TarEntry) -> Result<&OsStr> {
    if entry.link.is_empty() {
        return Err(Error::invalid("a link without a target"));
    }
    Ok(OsStr::from_bytes(&entry.link))
}

#[cfg(test)]
mod tests;
