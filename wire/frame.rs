//! The framing of the journal: each record follows its length, a varint of protobuf.
//!
//! The guest writes records in this form, the shim splits the stream at their borders, and the runtime reads the file. Nothing here
//! parses a record.

use crate::limits::JOURNAL_RECORD;

/// The longest length, in bytes: [`JOURNAL_RECORD`] takes three groups of seven bits.
const LENGTH: usize = 3;

/// What some bytes begin with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Frame {
    /// A whole record: the number of bytes of its length, and of the record itself.
    Whole(usize, usize),
    /// The empty record, after which no other follows.
    End,
    /// A part of a record, or nothing.
    Partial,
    /// Bytes with which no record begins.
    Broken,
}

impl Frame {
    /// Reads the start of `bytes`.
    pub fn first(bytes: &[u8]) -> Self {
        let mut length = 0;
        for (index, byte) in bytes.iter().take(LENGTH).enumerate() {
            length |= usize::from(byte & 0x7f) << (7 * index);
            if byte & 0x80 == 0 {
                let head = index + 1;
                return match length {
                    0 if head == 1 => Self::End,
                    1..=JOURNAL_RECORD if bytes.len() - head >= length => Self::Whole(head, length),
                    1..=JOURNAL_RECORD => Self::Partial,
                    _ => Self::Broken,
                };
            }
        }
        if bytes.len() < LENGTH { Self::Partial } else { Self::Broken }
    }

    /// Returns how many bytes at the start of `bytes` are whole records.
    pub fn whole(bytes: &[u8]) -> usize {
        let mut end = 0;
        while let Self::Whole(head, length) = Self::first(bytes.get(end..).unwrap_or_default()) {
            end += head + length;
        }
        end
    }
}
