//! A stream of records as a tree. Called by the guest for `copyIn` and by the host for `copyOut`, where the stream is a hostile guest's.
//!
//! Where it goes is `docker cp`'s rule for files: one goes into a folder that exists under its own name, else it gets the name of the
//! path. A tree is merged into the folder of that name.

use std::{
    collections::HashMap,
    ffi::{OsStr, OsString},
    fs::{self, File},
    io::Read,
    os::{
        fd::AsFd as _,
        unix::{ffi::OsStrExt as _, fs::FileExt as _},
    },
    path::{Path, PathBuf},
};

use nix::errno::Errno;

use crate::{
    Error, Meter, Result, Rules,
    allowance::Allowance,
    destination::{Destination, make_folder},
    error::At as _,
    record::{DATA, Meta, Record, RecordReader},
};

/// Most bytes of memory for the names of files that have several.
const SEVERAL: u64 = 64 << 20;
/// What such a name takes besides its own bytes.
const NAME: u64 = 64;

/// Makes at `to` what `stream` holds; a file in a folder is called `name`. What was made before a failure stays. Returns how many things
/// the sender left out.
///
/// # Errors
/// The stream is malformed, exceeds the rules or breaks, or the kernel refuses.
pub fn receive(stream: impl Read, to: &Path, name: &OsStr, rules: Rules, meter: &Meter) -> Result<u64> {
    let mut records = RecordReader::new(stream)?;
    match records.read()? {
        // All there was is of a kind that is left out.
        Record::End { skipped } => return Ok(skipped),
        Record::Folder { meta, .. } => {
            let made = make_folder(to)?;
            let mut receiver = Receiver::new(to, rules, meter)?;
            receiver.begin(made.then_some(meta))?;
            while !receiver.levels.is_empty() {
                let record = records.read()?;
                receiver.take(record, &mut records)?;
            }
        }
        first => {
            let (folder, name) = place(to, name, &first)?;
            Receiver::new(&folder, rules, meter)?.take(called(first, name), &mut records)?;
        }
    }
    match records.read()? {
        Record::End { skipped } => Ok(skipped),
        _ => Err(out_of_place()),
    }
}

/// The folder that what is no folder goes to, and its name there.
fn place(to: &Path, name: &OsStr, first: &Record) -> Result<(PathBuf, OsString)> {
    if to.as_os_str().as_bytes().ends_with(b"/") || to.is_dir() {
        make_folder(to)?;
        return Ok((to.to_owned(), name.to_owned()));
    }
    // A symlink to a file stands for that file; a symlink takes its place.
    let is_symlink = matches!(first, Record::Symlink { .. });
    let to =
        if !is_symlink && to.exists() { fs::canonicalize(to).at("realpath", to)? } else { to.to_owned() };
    let folder = match to.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent.to_owned(),
        _ => PathBuf::from("."),
    };
    let Some(name) = to.file_name() else { return Err(Errno::EISDIR).at("open", &to) };
    fs::create_dir_all(&folder).at("mkdir", &folder)?;
    Ok((folder, name.to_owned()))
}

/// The record of a thing under another name.
fn called(record: Record, name: OsString) -> Record {
    match record {
        Record::File { meta, size, number, .. } => Record::File { name, meta, size, number },
        Record::Symlink { meta, target, .. } => Record::Symlink { name, meta, target },
        other => other,
    }
}

struct Receiver<'a> {
    destination: Destination<'a>,
    /// The folders on the way down, the first one included.
    levels: Vec<Level>,
    several: Several,
    buffer: Vec<u8>,
}

/// A folder that has not ended.
struct Level {
    /// What it gets when it ends; a folder that was there before keeps what it has.
    meta: Option<Meta>,
    /// Where `Several` knows it.
    known: Option<usize>,
}

impl<'a> Receiver<'a> {
    fn new(folder: &Path, rules: Rules, meter: &'a Meter) -> Result<Self> {
        Ok(Self {
            destination: Destination::open(folder, rules, meter)?,
            levels: Vec::new(),
            several: Several::default(),
            buffer: vec![0; DATA],
        })
    }

    fn begin(&mut self, meta: Option<Meta>) -> Result<()> {
        self.count(meta.as_ref())?;
        self.levels.push(Level { meta, known: None });
        Ok(())
    }

    /// One thing more, before anything of it is there.
    fn count(&mut self, meta: Option<&Meta>) -> Result<()> {
        self.destination.spend()?;
        let attributes = meta.into_iter().flat_map(|meta| &meta.attributes);
        let bytes: usize = attributes.map(|(name, value)| name.len() + value.len()).sum();
        self.destination.spend_bytes(bytes as u64)?;
        self.destination.meter.entry();
        Ok(())
    }

    fn take(&mut self, record: Record, records: &mut RecordReader<impl Read>) -> Result<()> {
        match record {
            Record::Folder { name, meta } => {
                self.count(Some(&meta))?;
                let made = self.destination.enter(&name)?;
                self.levels.push(Level { meta: made.then_some(meta), known: None });
                Ok(())
            }
            Record::Leave => {
                if let Some(Level { meta: Some(meta), .. }) = self.levels.pop() {
                    self.destination.describe_here(&meta)?;
                }
                self.destination.leave()
            }
            Record::File { name, meta, size, number } => {
                self.count(Some(&meta))?;
                self.destination.spend_bytes(size)?;
                let file = self.destination.file(&name)?;
                self.fill(&file, &name, size, records)?;
                self.destination.describe_file(&file, &name, &meta)?;
                if number > 0 { self.remember(number, name) } else { Ok(()) }
            }
            Record::Symlink { name, meta, target } => {
                self.count(Some(&meta))?;
                self.destination.symlink(&name, &target)?;
                self.destination.describe_link(&name, &meta)
            }
            Record::Link { name, number } => {
                self.count(None)?;
                self.link(&name, number)
            }
            Record::Data { .. } | Record::FileEnd { .. } | Record::End { .. } => Err(out_of_place()),
        }
    }

    /// Writes what follows until the file's end. `size` of it has been allowed for.
    fn fill(
        &mut self,
        file: &File,
        name: &OsStr,
        size: u64,
        records: &mut RecordReader<impl Read>,
    ) -> Result<()> {
        let (mut reached, mut allowed) = (0_u64, size);
        loop {
            let (end, at) = match records.read()? {
                Record::Data { at, length } if at >= reached => {
                    let end = at.checked_add(length as u64).ok_or_else(out_of_place)?;
                    (end, Some((at, length)))
                }
                Record::FileEnd { length } if length >= reached => (length, None),
                _ => return Err(out_of_place()),
            };
            self.destination.spend_bytes(end.saturating_sub(allowed))?;
            allowed = allowed.max(end);
            if let Some((at, length)) = at {
                records.data(&mut self.buffer[..length])?;
                let written = file.write_all_at(&self.buffer[..length], at);
                written.when("write", || self.destination.shown(name))?;
            } else if end > reached {
                file.set_len(end).when("ftruncate", || self.destination.shown(name))?;
            }
            self.destination.meter.moved(end - reached);
            reached = end;
            if at.is_none() {
                return Ok(());
            }
        }
    }

    /// Remembers where the file with this number is.
    fn remember(&mut self, number: u32, name: OsString) -> Result<()> {
        let mut above = None;
        for (level, known) in self.levels.iter_mut().zip(names(&self.destination)) {
            let folder = match level.known {
                Some(known) => known,
                None => self.several.folder(above, known)?,
            };
            level.known = Some(folder);
            above = Some(folder);
        }
        self.several.file(number, above, name)
    }

    fn link(&mut self, name: &OsStr, number: u32) -> Result<()> {
        let Some((folder, existing)) = self.several.files.get(&number) else {
            return Err(Error::invalid(format!(
                "entry {name:?}: a link to file {number}, which did not come before"
            )));
        };
        let existing = existing.clone();
        if *folder == self.levels.last().and_then(|level| level.known) {
            let here = self.destination.folders.here().try_clone_to_owned();
            let here = here.when("dup", || self.destination.shown(name))?;
            return self.destination.link(name, here.as_fd(), &existing);
        }
        let way = self.several.way(*folder);
        let from = self.destination.find(way.into_iter());
        let from = from.when("link", || self.destination.shown(name))?;
        self.destination.link(name, from.as_fd(), &existing)
    }
}

/// The names of the folders on the way down; that of the first is empty.
fn names<'a>(destination: &'a Destination<'_>) -> impl Iterator<Item = &'a OsStr> {
    std::iter::once(OsStr::new("")).chain(destination.folders.names())
}

/// Files with several names: where each is, by its number. Folders are one vector, so that however deep they are nothing recurses.
struct Several {
    files: HashMap<u32, (Option<usize>, OsString)>,
    /// Each with the one above it.
    folders: Vec<(Option<usize>, OsString)>,
    memory: Allowance,
}

impl Default for Several {
    fn default() -> Self {
        let memory = Allowance::new("bytes of names of files with several names", Some(SEVERAL));
        Self { files: HashMap::new(), folders: Vec::new(), memory }
    }
}

impl Several {
    fn folder(&mut self, above: Option<usize>, name: &OsStr) -> Result<usize> {
        self.memory.spend(NAME + name.len() as u64)?;
        self.folders.push((above, name.to_owned()));
        Ok(self.folders.len() - 1)
    }

    fn file(&mut self, number: u32, folder: Option<usize>, name: OsString) -> Result<()> {
        self.memory.spend(NAME + name.len() as u64)?;
        self.files.insert(number, (folder, name));
        Ok(())
    }

    /// The names that lead to a folder.
    fn way(&self, folder: Option<usize>) -> Vec<&OsStr> {
        let mut way = Vec::new();
        let mut next = folder;
        while let Some((above, name)) = next.and_then(|folder| self.folders.get(folder)) {
            if !name.is_empty() {
                way.push(name.as_os_str());
            }
            next = *above;
        }
        way.reverse();
        way
    }
}

fn out_of_place() -> Error {
    Error::invalid("a record that is out of place")
}
