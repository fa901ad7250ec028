//! `Record`: the counters as a file, so that they are known after the end of the shim, however it ended. Kept by `host`; the runtime reads
//! it. The file is whole from the moment on that it has its name, whenever the shim is killed: it is made under another name, and its text is
//! replaced by one write of the same length.

use std::{
    fs::{self, File, OpenOptions, Permissions},
    io,
    os::unix::fs::{FileExt as _, OpenOptionsExt as _, PermissionsExt as _},
    path::Path,
    time::Duration,
};

use boxlite_spec::network::control::NetworkMetrics;
use tokio::time::sleep;

use crate::metrics::Counters;

/// How old the file may be.
const INTERVAL: Duration = Duration::from_millis(100);
/// The bytes of the file, which the text always fills, so that a shorter one leaves nothing of a longer one behind.
const LENGTH: usize = 512;
/// Its name while it is made. As one of the drafts of `boxlite_durable`, what a killed shim leaves of it is swept away by the runtime.
const DRAFT: &str = ".writing-network";

/// The file.
#[derive(Debug)]
pub(crate) struct Record(File);

impl Record {
    /// Makes the file anew, with counters of zero. Whoever has the one of an earlier machine open keeps that.
    ///
    /// # Errors
    /// If there can be no such file. One of an earlier machine is gone then.
    pub(crate) fn create(path: &Path) -> io::Result<Self> {
        let draft = path.with_file_name(DRAFT);
        let made = || {
            let file = OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&draft)?;
            file.set_permissions(Permissions::from_mode(0o600))?;
            file.write_all_at(&text(&NetworkMetrics::default())?, 0)?;
            fs::rename(&draft, path)?;
            Ok(Self(file))
        };
        made().inspect_err(|_| {
            // What an earlier machine counted must not be taken for this one's.
            let _ = fs::remove_file(path);
            let _ = fs::remove_file(&draft);
        })
    }

    /// Writes the counters as they change, until it is dropped. While nothing is counted it sleeps.
    pub(crate) async fn keep(&self, counters: &Counters) {
        loop {
            counters.changed().await;
            sleep(INTERVAL).await;
            self.write(counters);
        }
    }

    /// Writes the counters. A full disk is no reason to disturb the box.
    pub(crate) fn write(&self, counters: &Counters) {
        let _ = text(&counters.take()).and_then(|text| self.0.write_all_at(&text, 0));
    }
}

/// The whole content of the file.
fn text(metrics: &NetworkMetrics) -> io::Result<Vec<u8>> {
    let mut text = serde_json::to_vec(metrics)?;
    text.resize(LENGTH, b' ');
    Ok(text)
}

#[cfg(test)]
mod tests {
    use std::thread;

    use tokio::time::timeout;

    use super::*;

    #[test]
    fn the_largest_numbers_fit() {
        let most = NetworkMetrics {
            received_bytes: u64::MAX,
            sent_bytes: u64::MAX,
            received_packets: u64::MAX,
            sent_packets: u64::MAX,
            connections: u64::MAX,
            connections_total: u64::MAX,
            refusals: u64::MAX,
            dns_queries: u64::MAX,
            dropped_packets: u64::MAX,
        };
        assert!(serde_json::to_vec(&most).unwrap().len() <= LENGTH);
    }

    #[test]
    fn a_reader_finds_the_whole_file_or_none_whenever_it_looks() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("counters");
        let made = path.clone();
        let maker = thread::spawn(move || {
            for _ in 0..100 {
                let _ = fs::remove_file(&made);
                Record::create(&made).unwrap();
            }
        });
        let read = || {
            let text = fs::read(&path)?;
            assert_eq!(text.len(), LENGTH);
            assert_eq!(serde_json::from_slice::<NetworkMetrics>(&text).unwrap(), NetworkMetrics::default());
            io::Result::Ok(())
        };
        while !maker.is_finished() {
            let _ = read();
            thread::yield_now();
        }
        maker.join().unwrap();
        read().unwrap();
    }

    #[test]
    fn what_a_killed_shim_left_is_replaced_and_what_fails_leaves_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("counters");
        let names = || {
            let entries = fs::read_dir(folder.path()).unwrap();
            entries.map(|entry| entry.unwrap().file_name()).collect::<Vec<_>>()
        };
        fs::write(folder.path().join(DRAFT), vec![b'x'; 2 * LENGTH]).unwrap();
        fs::write(&path, "").unwrap();
        Record::create(&path).unwrap();
        assert_eq!(fs::read(&path).unwrap().len(), LENGTH);
        assert_eq!(names(), ["counters"]);
        // A folder can't be a draft; the older file must not be taken for this machine's.
        fs::create_dir(folder.path().join(DRAFT)).unwrap();
        assert!(Record::create(&path).is_err());
        assert_eq!(names(), [DRAFT]);
    }

    #[tokio::test]
    async fn what_is_counted_is_soon_in_the_file_and_an_older_file_stays_what_it_was() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("counters");
        let read = || serde_json::from_slice::<NetworkMetrics>(&fs::read(&path).unwrap()).unwrap();
        let counters = Counters::default();
        let record = Record::create(&path).unwrap();
        let kept = async {
            for bytes in [1000, 10] {
                counters.count_received(bytes);
                let expected = counters.read();
                while read() != expected {
                    sleep(Duration::from_millis(5)).await;
                }
            }
        };
        tokio::select! {
            () = record.keep(&counters) => {}
            done = timeout(Duration::from_secs(10), kept) => done.unwrap(),
        }
        let old = File::open(&path).unwrap();
        Record::create(&path).unwrap().write(&Counters::default());
        let mut text = [0; LENGTH];
        old.read_exact_at(&mut text, 0).unwrap();
        assert_eq!(serde_json::from_slice::<NetworkMetrics>(&text).unwrap().received_bytes, 1010);
        assert_eq!(read(), NetworkMetrics::default());
    }
}
