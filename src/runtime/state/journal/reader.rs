//! Going through a box's journal: what is there, and what is added while one waits. Used by `LiteBox` for logs, for the
//! exit of the main process and for health; calls `file`.
//!
//! The files are small, local and in the host's cache, so they are read on the caller's thread. Between two reads other tasks have
//! their turn ([`JournalReader::next`]), and a caller who reads all at once does so on a thread that may block.

use std::{
    fs, io,
    os::unix::fs::MetadataExt as _,
    path::{Path, PathBuf},
    time::Duration,
};

use boxlite_durable::if_exists;
use boxlite_error::{BoxliteError, BoxliteResult};
use boxlite_portal::{Health, MainExit};
use tokio::{task::yield_now, time::sleep};

use crate::{
    blocking::blocking,
    state::{
        journal::{
            entry::{JournalEntry, JournalRecord},
            file::JournalFile,
        },
        layout::BoxPaths,
    },
};

/// Between two looks at a journal that does not grow: the pause doubles from the first to the last.
const PAUSES: (Duration, Duration) = (Duration::from_millis(5), Duration::from_millis(160));

/// The journal of one box.
#[derive(Debug, Clone)]
pub(crate) struct Journal {
    current: PathBuf,
    previous: PathBuf,
}

impl Journal {
    /// The journal of the box at `paths`, which need not have one.
    pub(crate) fn of(paths: &BoxPaths) -> Self {
        Self::at(&paths.journal())
    }

    fn at(current: &Path) -> Self {
        let mut previous = current.as_os_str().to_owned();
        previous.push(".1");
        Self { current: current.to_owned(), previous: previous.into() }
    }

    /// A reader of the records from `since_unix_ns` on, by the guest's clock; 0 reads all that there is.
    pub(crate) fn read_from(&self, since_unix_ns: u64) -> JournalReader {
        JournalReader { journal: self.clone(), since_unix_ns, open: None }
    }

    /// How the main process ended last in the run of the machine that began at `since_unix_ns` on the host's clock, which the
    /// guest's is set to.
    pub(crate) fn exits(&self, since_unix_ns: u64) -> ExitReader {
        ExitReader { reader: self.read_from(since_unix_ns), last: None }
    }

    /// The box's last known health in the run of the machine that began at `since_unix_ns`. `None`: there is no check,
    /// or its result is older than all that is there.
    pub(crate) fn last_health(&self, since_unix_ns: u64) -> BoxliteResult<Option<Health>> {
        let mut last = None;
        self.read_from(since_unix_ns).each(|entry| {
            if let JournalEntry::Health(change) = entry {
                last = Some(change.health);
            }
        })?;
        Ok(last)
    }
}

/// A position in a journal.
#[derive(Debug)]
pub(crate) struct JournalReader {
    journal: Journal,
    since_unix_ns: u64,
    /// `None`: nothing was there yet.
    open: Option<JournalFile>,
}

impl JournalReader {
    /// What one look finds of the time that is asked for, which may be nothing; `None`: all that is there was read.
    fn look(&mut self) -> BoxliteResult<Option<Vec<JournalRecord>>> {
        let step = self.step();
        let mut records =
            step.map_err(|error| BoxliteError::io("read journal", &self.journal.current, error))?;
        if records.is_empty() {
            return Ok(None);
        }
        records.retain(|record| record.time_unix_ns >= self.since_unix_ns);
        Ok(Some(records))
    }

    /// The next records that are there, a hundred KiB at a time; none: all that is there was read. More may come. Other tasks have
    /// their turn between two looks, since what is passed over may be all of two files. Loses nothing when it is dropped.
    pub(crate) async fn next(&mut self) -> BoxliteResult<Vec<JournalRecord>> {
        while let Some(records) = self.look()? {
            if !records.is_empty() {
                return Ok(records);
            }
            yield_now().await;
        }
        Ok(Vec::new())
    }

    /// Waits for the next records, for ever if none come. Loses nothing when it is dropped.
    pub(crate) async fn more(&mut self) -> BoxliteResult<Vec<JournalRecord>> {
        let (mut pause, longest) = PAUSES;
        loop {
            let records = self.next().await?;
            if !records.is_empty() {
                return Ok(records);
            }
            sleep(pause).await;
            pause = longest.min(pause * 2);
        }
    }

    /// All that is there.
    fn each(&mut self, mut take: impl FnMut(JournalEntry)) -> BoxliteResult<()> {
        while let Some(records) = self.look()? {
            for record in records {
                take(record.entry);
            }
        }
        Ok(())
    }

    fn step(&mut self) -> io::Result<Vec<JournalRecord>> {
        if self.open.is_none() {
            self.open = self.oldest()?;
        }
        while let Some(open) = &mut self.open {
            let records = open.read()?;
            if !records.is_empty() {
                return Ok(records);
            }
            let Some(next) = self.journal.successor(open.inode)? else { break };
            // Once there is a successor nothing is added any more, but something may have been since the look above.
            let records = open.read()?;
            if !records.is_empty() {
                return Ok(records);
            }
            self.open = Some(next);
        }
        Ok(Vec::new())
    }

    fn oldest(&self) -> io::Result<Option<JournalFile>> {
        match JournalFile::open(&self.journal.previous)? {
            None => JournalFile::open(&self.journal.current),
            found => Ok(found),
        }
    }
}

/// The exits of one run's main process. Once it was asked, the journal is open here, and the box's removal takes only its name.
#[derive(Debug)]
pub(crate) struct ExitReader {
    reader: JournalReader,
    last: Option<MainExit>,
}

impl ExitReader {
    /// The last one. `None`: it has not ended, or was started again since, or there never was one.
    pub(crate) fn last(&mut self) -> BoxliteResult<Option<MainExit>> {
        let Self { reader, last } = self;
        reader.each(|entry| match entry {
            JournalEntry::Started { .. } => *last = None,
            JournalEntry::Exited(exit) => *last = Some(exit),
            _ => {}
        })?;
        Ok(*last)
    }

    /// The last one, read where that may take its time. A journal that can't be read is reported in the log, and there is no exit then.
    pub(crate) async fn known(mut self) -> Option<MainExit> {
        let exit = blocking("read the journal", move || self.last()).await;
        exit.inspect_err(|error| tracing::warn!(%error, "the journal can't be read")).ok()?
    }
}

impl Journal {
    /// The file that came after the one with this inode. A reader that slept over two rotations goes on with the oldest
    /// there is.
    fn successor(&self, inode: u64) -> io::Result<Option<JournalFile>> {
        if inode_of(&self.current)? == Some(inode) {
            return Ok(None);
        }
        if inode_of(&self.previous)?.is_some_and(|previous| previous != inode) {
            return JournalFile::open(&self.previous);
        }
        JournalFile::open(&self.current)
    }
}

fn inode_of(path: &Path) -> io::Result<Option<u64>> {
    Ok(if_exists(fs::metadata(path))?.map(|found| found.ino()))
}

#[cfg(test)]
#[path = "reader_tests.rs"]
mod tests;
