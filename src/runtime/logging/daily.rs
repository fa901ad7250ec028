//! `DailyFile`: `boxlite.log`, which becomes `boxlite.2026-11-22.log` when its day is over, in UTC. `outlet`'s thread writes it.
//!
//! Several processes append to one file, a line in one write. The process that writes first on a new day moves the old file away,
//! under a lock of the folder; the others find it moved and open the new one.

use std::{
    fs::{self, File, OpenOptions},
    io::{self, Write},
    os::unix::fs::OpenOptionsExt,
    path::{Path, PathBuf},
    time::SystemTime,
};

use jiff::{Timestamp, ToSpan, civil::Date, tz::TimeZone};

use crate::state::modes;

/// Days after which an old file is removed.
const RETENTION_DAYS: i64 = 7;
/// The most bytes that one process writes in a day; the lines after them are dropped.
const LARGEST: usize = 64 << 20;

const CURRENT: &str = "boxlite.log";

#[derive(Debug)]
pub(super) struct DailyFile {
    folder: PathBuf,
    file: File,
    day: Date,
    written: usize,
}

impl DailyFile {
    pub(super) fn open(folder: &Path) -> io::Result<Self> {
        Self::open_on(folder, today())
    }

    fn open_on(folder: &Path, day: Date) -> io::Result<Self> {
        let file = current(folder, day)?;
        Ok(Self { folder: folder.to_owned(), file, day, written: 0 })
    }

    /// Appends a line, in today's file.
    pub(super) fn append(&mut self, line: &[u8]) -> io::Result<()> {
        self.append_on(today(), line)
    }

    fn append_on(&mut self, today: Date, line: &[u8]) -> io::Result<()> {
        if today != self.day {
            *self = Self::open_on(&self.folder, today)?;
        }
        if self.written > LARGEST {
            return Ok(());
        }
        self.written += line.len();
        if self.written > LARGEST {
            return self.file.write_all(b"this process has written enough for a day; the rest is left out\n");
        }
        self.file.write_all(line)
    }
}

/// The file of `day`, with older ones moved away or removed.
fn current(folder: &Path, day: Date) -> io::Result<File> {
    let lock = File::open(folder)?;
    let path = folder.join(CURRENT);
    // A process that holds the lock does the same. Do not wait for it: it may have been stopped.
    if lock.try_lock().is_ok() {
        if let Ok(metadata) = fs::metadata(&path) {
            let written = day_of(metadata.modified()?);
            if written < day {
                fs::rename(&path, folder.join(format!("boxlite.{written}.log")))?;
            }
        }
        prune(folder, day);
    }
    let file = OpenOptions::new().append(true).create(true).mode(modes::FILE).open(path)?;
    modes::set_file(&file)?;
    Ok(file)
}

fn prune(folder: &Path, today: Date) {
    let Ok(oldest) = today.checked_sub(RETENTION_DAYS.days()) else { return };
    for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
        let name = entry.file_name();
        let Some(name) = name.to_str() else { continue };
        let date = name.strip_prefix("boxlite.").and_then(|rest| rest.strip_suffix(".log"));
        if date.is_some_and(|date| date.parse::<Date>().is_ok_and(|date| date < oldest)) {
            let _ = fs::remove_file(entry.path());
        }
    }
}

fn today() -> Date {
    day_of(SystemTime::now())
}

fn day_of(time: SystemTime) -> Date {
    Timestamp::try_from(time).unwrap_or_default().to_zoned(TimeZone::UTC).date()
}

#[cfg(test)]
mod tests {
    use std::fs::FileTimes;

    use jiff::civil::date;

    use super::*;

    fn names(folder: &Path) -> Vec<String> {
        let mut names: Vec<_> = fs::read_dir(folder)
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect();
        names.sort();
        names
    }

    /// What a day's end does to the file: it was last written then.
    fn age(folder: &Path, day: Date) {
        let time = day.at(0, 0, 5, 0).to_zoned(TimeZone::UTC).unwrap().timestamp().into();
        let file = File::options().append(true).open(folder.join(CURRENT)).unwrap();
        file.set_times(FileTimes::new().set_modified(time)).unwrap();
    }

    #[test]
    fn a_new_day_begins_a_new_file_for_every_process() {
        let folder = tempfile::tempdir().unwrap();
        let folder = folder.path();
        // What is written is modified today, whatever a test would like.
        let second = today();
        let first = second.yesterday().unwrap();
        let old = format!("boxlite.{first}.log");
        let mut one = DailyFile::open_on(folder, first).unwrap();
        let mut other = DailyFile::open_on(folder, first).unwrap();
        one.append_on(first, b"1\n").unwrap();
        other.append_on(first, b"2\n").unwrap();
        age(folder, first);
        other.append_on(second, b"3\n").unwrap();
        one.append_on(second, b"4\n").unwrap();
        assert_eq!(names(folder), [old.as_str(), "boxlite.log"]);
        assert_eq!(fs::read_to_string(folder.join(&old)).unwrap(), "1\n2\n");
        assert_eq!(fs::read_to_string(folder.join(CURRENT)).unwrap(), "3\n4\n");
    }

    #[test]
    fn old_files_go_and_those_of_others_stay() {
        let folder = tempfile::tempdir().unwrap();
        let folder = folder.path();
        for name in
            ["boxlite.2026-11-14.log", "boxlite.2026-11-15.log", "boxlite.notes-mine.log", "other.log"]
        {
            fs::write(folder.join(name), "").unwrap();
        }
        DailyFile::open_on(folder, date(2026, 11, 22)).unwrap();
        assert_eq!(
            names(folder),
            ["boxlite.2026-11-15.log", "boxlite.log", "boxlite.notes-mine.log", "other.log"]
        );
    }

    #[test]
    fn a_day_has_its_bound() {
        let folder = tempfile::tempdir().unwrap();
        let mut log = DailyFile::open_on(folder.path(), date(1970, 1, 2)).unwrap();
        let line = vec![b'x'; 1 << 20];
        for _ in 0..70 {
            log.append_on(date(1970, 1, 2), &line).unwrap();
        }
        let size = fs::metadata(folder.path().join(CURRENT)).unwrap().len();
        assert!((64 << 20..65 << 20).contains(&size), "{size}");
    }
}
