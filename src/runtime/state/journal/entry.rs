//! One record of the journal in this crate's types. It is a guest's, so it is checked. Made by `file`.

use boxlite_portal::{HealthChange, Limit, MainExit};
use boxlite_proto::v1::{self, MainStarted, journal_record::Record};
use bytes::Bytes;
use prost::Message as _;

/// One entry of the journal.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct JournalRecord {
    /// Nanoseconds since the Unix epoch on the guest's clock, which the host sets at each start.
    pub(crate) time_unix_ns: u64,
    /// What happened then.
    pub(crate) entry: JournalEntry,
}

/// What happened, according to a record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum JournalEntry {
    /// The main process wrote this to its standard output; lines may be cut anywhere.
    Stdout(Bytes),
    /// The same for standard error.
    Stderr(Bytes),
    /// So many bytes of output are missing here: the host's disk was too slow.
    Lost(u64),
    /// The main process began to run; `restarts` is 0 for the first run since the box started.
    Started { pid: u32, restarts: u32 },
    /// The main process ended.
    Exited(MainExit),
    /// The box's health changed.
    Health(HealthChange),
    /// A limit ended the box.
    Limit(Limit),
}

impl JournalRecord {
    /// `None`: it is no record, or of a kind that this release does not know.
    pub(super) fn decode(bytes: &[u8]) -> Option<Self> {
        let v1::JournalRecord { time_unix_ns, record } = v1::JournalRecord::decode(bytes).ok()?;
        let entry = match record? {
            Record::Stdout(data) => JournalEntry::Stdout(data),
            Record::Stderr(data) => JournalEntry::Stderr(data),
            Record::Lost(bytes) => JournalEntry::Lost(bytes),
            Record::Started(MainStarted { pid, restarts }) => JournalEntry::Started { pid, restarts },
            Record::Exited(exited) => JournalEntry::Exited(exited.into()),
            Record::Health(changed) => JournalEntry::Health(HealthChange::from_guest(changed)?),
            Record::Limit(reached) => JournalEntry::Limit(Limit::from_guest(reached)?),
        };
        Some(Self { time_unix_ns, entry })
    }
}
