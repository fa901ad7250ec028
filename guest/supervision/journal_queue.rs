//! Records of the journal that the host has not taken yet. They are bounded: if it takes them too slowly, the oldest output is
//! dropped. Pure.
//!
//! Filled and emptied by `journal`.

use std::{collections::VecDeque, mem};

use boxlite_proto::v1::{JournalRecord, journal_record::Record};
use prost::Message as _;

use super::events::now_unix_ns;

/// Bytes that may wait for the host.
pub(super) const MOST: usize = 1 << 20;

/// Memory that a record costs beside its bytes.
const OVERHEAD: usize = 64;

/// The records.
#[derive(Debug, Default)]
pub(super) struct Queue {
    records: VecDeque<Encoded>,
    size: usize,
    /// Bytes of output that were dropped before the first record.
    lost: u64,
}

#[derive(Debug)]
struct Encoded {
    bytes: Vec<u8>,
    /// Bytes of output in it.
    output: usize,
}

impl Encoded {
    fn size(&self) -> usize {
        self.bytes.len() + OVERHEAD
    }
}

impl Queue {
    /// Appends a record with the current time. The oldest ones are dropped if there is no room.
    pub(super) fn push(&mut self, record: Record) {
        let output = match &record {
            Record::Stdout(bytes) | Record::Stderr(bytes) => bytes.len(),
            _ => 0,
        };
        let encoded = Encoded { bytes: encode(record), output };
        self.size += encoded.size();
        self.records.push_back(encoded);
        while self.size > MOST {
            // Output is dropped before events, which are few and say more.
            let index = self.records.iter().position(|record| record.output > 0).unwrap_or(0);
            let Some(dropped) = self.records.remove(index) else { break };
            self.size -= dropped.size();
            self.lost += dropped.output as u64;
        }
    }

    /// Whether more output would drop something.
    pub(super) fn is_full(&self) -> bool {
        // One read of a pipe has to fit.
        self.size + 256 * 1024 > MOST
    }

    /// Takes about `most` bytes from the front. Empty if there are none.
    pub(super) fn take(&mut self, most: usize) -> Vec<u8> {
        let mut batch = match mem::take(&mut self.lost) {
            0 => Vec::new(),
            lost => encode(Record::Lost(lost)),
        };
        while batch.len() < most
            && let Some(record) = self.records.pop_front()
        {
            self.size -= record.size();
            batch.extend_from_slice(&record.bytes);
        }
        batch
    }
}

fn encode(record: Record) -> Vec<u8> {
    JournalRecord { time_unix_ns: now_unix_ns(), record: Some(record) }.encode_length_delimited_to_vec()
}

#[cfg(test)]
mod tests {
    use boxlite_proto::v1::MainStarted;
    use bytes::Bytes;

    use super::*;

    fn decode(mut bytes: &[u8]) -> Vec<Record> {
        let mut records = Vec::new();
        while !bytes.is_empty() {
            records.extend(JournalRecord::decode_length_delimited(&mut bytes).expect("a record").record);
        }
        records
    }

    #[test]
    fn what_nobody_takes_is_bounded_and_the_loss_is_recorded() {
        let mut queue = Queue::default();
        queue.push(Record::Started(MainStarted::default()));
        for number in 0..1000_u32 {
            let mut data = vec![b'x'; 10_000];
            data[..4].copy_from_slice(&number.to_le_bytes());
            queue.push(Record::Stdout(Bytes::from(data)));
            assert!(queue.size <= MOST);
        }
        let mut records = decode(&queue.take(usize::MAX)).into_iter();
        let Some(Record::Lost(lost)) = records.next() else { panic!("no loss is recorded") };
        assert_eq!(records.next(), Some(Record::Started(MainStarted::default())));
        let kept: Vec<u32> = records
            .map(|record| match record {
                Record::Stdout(data) => u32::from_le_bytes(data[..4].try_into().expect("four")),
                other => panic!("{other:?}"),
            })
            .collect();
        assert_eq!(lost, (1000 - kept.len() as u64) * 10_000);
        assert!(kept.windows(2).all(|pair| pair[1] == pair[0] + 1) && kept.last() == Some(&999));
        assert!(queue.records.is_empty() && queue.size == 0 && queue.lost == 0);
    }
}
