//! Tests of the intake with real connections: well-behaved ones, hostile ones, and several at once.

use std::{
    fs,
    io::Write as _,
    path::PathBuf,
    thread,
    time::{Duration, Instant},
};

use super::*;

struct Fixture {
    _folder: tempfile::TempDir,
    spec: JournalSpec,
    journal: Journal,
}

fn fixture() -> Fixture {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| -> PathBuf { folder.path().join(name) };
    let spec = JournalSpec { socket: at("journal.sock"), file: at("main.log") };
    let journal = Journal::open(&spec).unwrap();
    Fixture { _folder: folder, spec, journal }
}

impl Fixture {
    fn connect(&self) -> UnixStream {
        UnixStream::connect(&self.spec.socket).unwrap()
    }

    fn greet(&self) -> UnixStream {
        let mut stream = self.connect();
        stream.write_all(JOURNAL).unwrap();
        self.until(|intake| intake.guest.as_ref().is_some_and(|guest| guest.greeted));
        stream
    }

    /// Waits until the journal's thread has `reached` a state.
    fn until(&self, reached: impl Fn(&Intake) -> bool) {
        let give_up = Instant::now() + Duration::from_secs(20);
        while !reached(&self.journal.intake()) {
            assert!(Instant::now() < give_up, "the state was not reached");
            thread::sleep(Duration::from_millis(1));
        }
    }

    fn content(&self) -> Vec<u8> {
        fs::read(&self.spec.file).unwrap()
    }
}

/// Waits for the other side to close.
fn closed(mut stream: &UnixStream) {
    stream.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
    match stream.read(&mut [0]) {
        Ok(0) => {}
        Err(error) if error.kind() == io::ErrorKind::ConnectionReset => {}
        other => panic!("{other:?}"),
    }
}

fn refused(stream: &UnixStream) -> bool {
    stream.set_read_timeout(Some(Duration::from_millis(50))).unwrap();
    !matches!((&*stream).read(&mut [0]), Err(error) if error.kind() == io::ErrorKind::WouldBlock)
}

const RECORD: &[u8] = b"\x03abc";

#[test]
fn everything_is_in_the_file_once_the_connection_is_closed() {
    let fixture = fixture();
    let mut guest = fixture.greet();
    for _ in 0..50_000 {
        guest.write_all(RECORD).unwrap();
    }
    guest.write_all(b"\0").unwrap();
    closed(&guest);
    assert_eq!(fixture.content(), RECORD.repeat(50_000));
}

#[test]
fn records_may_arrive_in_any_pieces() {
    let fixture = fixture();
    let mut guest = fixture.connect();
    for byte in [JOURNAL, RECORD, &[0x81, 1], &[b'y'; 129], RECORD, b"\0"].concat() {
        guest.write_all(&[byte]).unwrap();
        thread::sleep(Duration::from_micros(200));
    }
    closed(&guest);
    assert_eq!(fixture.content(), [RECORD, &[0x81, 1], &[b'y'; 129], RECORD].concat());
}

#[test]
fn what_was_sent_before_a_sudden_end_is_drained() {
    let fixture = fixture();
    let mut guest = fixture.greet();
    guest.write_all(&RECORD.repeat(1000)).unwrap();
    guest.write_all(b"\x05torn").unwrap();
    fixture.journal.drain();
    assert_eq!(fixture.content(), RECORD.repeat(1000));
}

#[test]
fn draining_ends_although_the_guest_never_stops_writing() {
    let fixture = fixture();
    let mut guest = fixture.greet();
    let flood = thread::spawn(move || while guest.write_all(&RECORD.repeat(1000)).is_ok() {});
    for _ in 0..20 {
        fixture.journal.drain();
    }
    // Its connection is closed with the journal's.
    fixture.journal.intake().close();
    flood.join().unwrap();
}

#[test]
fn hostile_frames_end_the_journal_and_are_not_written() {
    for frame in [&[0xff_u8, 0xff, 0xff, 0xff][..], &[0x81, 0x80, 0x02], &[0x80, 0x80, 0x80]] {
        let fixture = fixture();
        let mut guest = fixture.greet();
        guest.write_all(&[RECORD, frame].concat()).unwrap();
        closed(&guest);
        assert_eq!(fixture.content(), RECORD);
        // No second journal is accepted.
        let mut other = fixture.connect();
        let _ = other.write_all(JOURNAL);
        closed(&other);
    }
}

#[test]
fn only_one_connection_is_the_journal() {
    let fixture = fixture();
    let mut silent = fixture.connect();
    let mut other = fixture.connect();
    let _ = other.write_all(b"GET / HTTP/1.1\r\n");
    closed(&other);
    let mut guest = fixture.greet();
    assert!(refused(&silent));
    let _ = silent.write_all(JOURNAL);
    let mut second = fixture.connect();
    let _ = second.write_all(&[JOURNAL, RECORD].concat());
    closed(&second);
    guest.write_all(RECORD).unwrap();
    guest.write_all(b"\0").unwrap();
    closed(&guest);
    assert_eq!(fixture.content(), RECORD);
}

#[test]
fn an_endless_record_and_endless_records_cost_bounded_memory_and_disk() {
    let fixture = fixture();
    let mut guest = fixture.greet();
    // The longest allowed record, repeated without end.
    let mut record = vec![0x80, 0x80, 0x02];
    record.resize(3 + (32 << 10), b'z');
    let until = Instant::now() + Duration::from_secs(20);
    for _ in 0..1000 {
        guest.write_all(&record).unwrap();
        assert!(Instant::now() < until, "the journal is not read");
    }
    let held = fixture.journal.intake().guest.as_ref().map_or(0, |guest| guest.rest.capacity());
    assert!(held < 1 << 20, "{held}");
    guest.write_all(b"\0").unwrap();
    closed(&guest);
    let total: u64 = fs::read_dir(fixture.spec.file.parent().unwrap())
        .unwrap()
        .map(|entry| entry.unwrap().metadata().unwrap().len())
        .sum();
    assert!(total <= 16 << 20, "{total}");
}
