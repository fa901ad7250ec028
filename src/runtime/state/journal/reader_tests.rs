//! Journals as shims leave them: whole, torn, rotated under the reader, hostile.

use std::{fs::OpenOptions, io::Write as _};

use boxlite_proto::v1::{self, HealthChanged, MainExited, MainStarted, journal_record::Record};
use bytes::Bytes;
use prost::Message as _;
use tempfile::TempDir;

use super::*;

struct Fixture {
    _folder: TempDir,
    journal: Journal,
}

fn fixture() -> Fixture {
    let folder = tempfile::tempdir().unwrap();
    let journal = Journal::at(&folder.path().join("main.log"));
    Fixture { _folder: folder, journal }
}

impl Fixture {
    fn append(&self, bytes: &[u8]) {
        let mut file = OpenOptions::new().create(true).append(true).open(&self.journal.current).unwrap();
        file.write_all(bytes).unwrap();
    }

    fn rotate(&self) {
        fs::rename(&self.journal.current, &self.journal.previous).unwrap();
    }

    fn texts(&self, since_unix_ns: u64) -> Vec<String> {
        let mut reader = self.journal.read_from(since_unix_ns);
        let mut texts = Vec::new();
        loop {
            let records = reader.read().unwrap();
            if records.is_empty() {
                return texts;
            }
            texts.extend(records.iter().map(text));
        }
    }
}

impl JournalReader {
    /// As [`next`](JournalReader::next), for tests without a task.
    fn read(&mut self) -> BoxliteResult<Vec<JournalRecord>> {
        futures::executor::block_on(self.next())
    }
}

fn record(time_unix_ns: u64, record: Record) -> Vec<u8> {
    v1::JournalRecord { time_unix_ns, record: Some(record) }.encode_length_delimited_to_vec()
}

fn line(time: u64, text: &str) -> Vec<u8> {
    record(time, Record::Stdout(Bytes::copy_from_slice(text.as_bytes())))
}

fn text(record: &JournalRecord) -> String {
    match &record.entry {
        JournalEntry::Stdout(bytes) => String::from_utf8(bytes.to_vec()).unwrap(),
        other => format!("{other:?}"),
    }
}

#[test]
fn no_journal_is_an_empty_one() {
    let fixture = fixture();
    assert!(fixture.texts(0).is_empty());
    assert_eq!(fixture.journal.exits(0).last().unwrap(), None);
}

#[test]
fn both_files_are_read_in_order_and_since_a_time() {
    let fixture = fixture();
    fixture.append(&[line(1, "a"), line(2, "b")].concat());
    fixture.rotate();
    fixture.append(&line(3, "c"));
    assert_eq!(fixture.texts(0), ["a", "b", "c"]);
    assert_eq!(fixture.texts(2), ["b", "c"]);
    assert!(fixture.texts(4).is_empty());
}

#[test]
fn a_torn_end_is_read_once_it_is_whole_or_replaced() {
    let fixture = fixture();
    let (one, two) = (line(1, "one"), line(2, "two"));
    fixture.append(&one);
    fixture.append(&two[..two.len() - 1]);
    let mut reader = fixture.journal.read_from(0);
    assert_eq!(reader.read().unwrap().len(), 1);
    assert!(reader.read().unwrap().is_empty());
    // What the next shim does: cut the torn record off, and go on.
    OpenOptions::new().write(true).open(&fixture.journal.current).unwrap().set_len(one.len() as u64).unwrap();
    fixture.append(&line(3, "other"));
    assert_eq!(reader.read().unwrap().iter().map(text).collect::<Vec<_>>(), ["other"]);
}

#[test]
fn a_reader_goes_on_over_rotations() {
    let fixture = fixture();
    fixture.append(&line(1, "a"));
    let mut reader = fixture.journal.read_from(0);
    assert_eq!(reader.read().unwrap().len(), 1);
    fixture.append(&line(2, "b"));
    fixture.rotate();
    assert_eq!(text(&reader.read().unwrap()[0]), "b", "before the next file exists");
    fixture.append(&line(3, "c"));
    assert_eq!(text(&reader.read().unwrap()[0]), "c");
    // Two rotations at once: what was between them is read.
    fixture.rotate();
    fixture.append(&line(4, "d"));
    fixture.rotate();
    fixture.append(&line(5, "e"));
    assert_eq!(text(&reader.read().unwrap()[0]), "d");
    assert_eq!(text(&reader.read().unwrap()[0]), "e");
    assert!(reader.read().unwrap().is_empty());
}

#[test]
fn hostile_bytes_are_passed_over() {
    let fixture = fixture();
    // A frame that holds no record, an unknown kind, wild numbers, and in the end nothing that frames.
    fixture.append(&[3, 0xff, 0xff, 0xff]);
    fixture.append(&[2, 0x78, 1]);
    let exited = MainExited { exit_code: u32::MAX, signal: u32::MAX, oom: false, restarts: false };
    fixture.append(&record(1, Record::Exited(exited)));
    fixture.append(&line(2, "good"));
    fixture.append(&[0; 5000]);
    fixture.append(&line(3, "behind"));
    let texts = fixture.texts(0);
    assert_eq!(texts.len(), 2, "{texts:?}");
    assert_eq!(texts[1], "good");
    let exit = fixture.journal.exits(0).last().unwrap().unwrap();
    assert_eq!((exit.code, exit.signal), (None, Some(64)));
    // Any bytes at all.
    let mut state = 1_u32;
    let noise: Vec<u8> = std::iter::repeat_with(|| {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        state.to_le_bytes()[3]
    })
    .take(1 << 20)
    .collect();
    fs::write(&fixture.journal.current, noise).unwrap();
    fixture.texts(0);
}

#[test]
fn the_last_exit_is_that_of_this_run() {
    let fixture = fixture();
    let exit = |time, exit_code, restarts| {
        record(time, Record::Exited(MainExited { exit_code, restarts, ..Default::default() }))
    };
    let start = |time, restarts| record(time, Record::Started(MainStarted { pid: 2, restarts }));
    fixture.append(&[start(10, 0), exit(11, 3, true), start(12, 1)].concat());
    assert_eq!(fixture.journal.exits(0).last().unwrap(), None, "it runs again");
    fixture.append(&exit(13, 4, false));
    let last = fixture.journal.exits(0).last().unwrap().unwrap();
    assert_eq!((last.code, last.signal, last.restarts), (Some(4), None, false));
    assert_eq!(fixture.journal.exits(14).last().unwrap(), None, "of an earlier run");
}

#[test]
fn an_exit_is_told_of_a_journal_that_is_gone() {
    let fixture = fixture();
    fixture.append(&record(10, Record::Started(MainStarted { pid: 2, restarts: 0 })));
    let mut exits = fixture.journal.exits(0);
    assert_eq!(exits.last().unwrap(), None);
    fixture.append(&record(11, Record::Exited(MainExited { exit_code: 3, ..Default::default() })));
    fs::remove_file(&fixture.journal.current).unwrap();
    assert_eq!(exits.last().unwrap().unwrap().code, Some(3));
    assert_eq!(fixture.journal.exits(0).last().unwrap(), None, "opened too late");
}

#[test]
fn the_last_health_is_that_of_this_run() {
    let fixture = fixture();
    let health =
        |time, health: i32| record(time, Record::Health(HealthChanged { health, ..Default::default() }));
    assert_eq!(fixture.journal.last_health(0).unwrap(), None);
    fixture.append(&[health(10, 2), health(11, 1)].concat());
    assert_eq!(fixture.journal.last_health(10).unwrap(), Some(Health::Healthy));
    fixture.append(&[health(12, 2), health(13, 99)].concat());
    assert_eq!(fixture.journal.last_health(10).unwrap(), Some(Health::Unhealthy), "99 is none");
    assert_eq!(fixture.journal.last_health(13).unwrap(), None, "of an earlier run");
}

#[tokio::test]
async fn more_waits_for_what_comes() {
    let fixture = fixture();
    let mut reader = fixture.journal.read_from(0);
    let waiting = tokio::spawn(async move { reader.more().await.unwrap() });
    tokio::task::yield_now().await;
    fixture.append(&line(1, "late"));
    assert_eq!(text(&waiting.await.unwrap()[0]), "late");
}
