//! `Record`: the counters as a file, so that they are known after the end of the shim, however it ended. Kept by `host`; the runtime reads
//! it.

use std::{
    fs::{self, File, OpenOptions},
    io,
    os::unix::fs::{FileExt as _, OpenOptionsExt as _},
    path::Path,
    time::Duration,
};

use tokio::time::sleep;

use crate::metrics::Counters;

/// How old the file may be.
const INTERVAL: Duration = Duration::from_millis(100);
/// The bytes of the file, which the text always fills, so that a shorter one leaves nothing of a longer one behind.
const LENGTH: usize = 512;

/// The file.
#[derive(Debug)]
pub(crate) struct Record(File);

impl Record {
    /// Makes the file anew. Whoever has the one of an earlier machine open keeps that.
    ///
    /// # Errors
    /// If there can be no such file.
    pub(crate) fn create(path: &Path) -> io::Result<Self> {
        let _ = fs::remove_file(path);
        OpenOptions::new().write(true).create_new(true).mode(0o600).open(path).map(Self)
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
        let Ok(mut text) = serde_json::to_vec(&counters.take()) else { return };
        text.resize(LENGTH, b' ');
        let _ = self.0.write_all_at(&text, 0);
    }
}

#[cfg(test)]
mod tests {
    use boxlite_spec::network::control::NetworkMetrics;
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
                while fs::metadata(&path).unwrap().len() == 0 || read() != expected {
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
