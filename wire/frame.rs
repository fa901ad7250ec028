//! How the journal's records lie one behind another: each behind its length, a varint of protobuf.
//!
//! The guest writes them so, the shim cuts the stream at these borders, the runtime reads the file along them. Nothing here
//! looks into a record.

use crate::limits::JOURNAL_RECORD;

/// The longest length, in bytes: [`JOURNAL_RECORD`] takes three groups of seven bits.
const LENGTH: usize = 3;

/// What stands first in some bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Frame {
    /// A record: the bytes of its length, and of itself.
    Whole(usize, usize),
    /// The empty record: its writer says that none will follow.
    End,
    /// More bytes are needed.
    Partial,
    /// No record begins like this.
    Broken,
}

impl Frame {
    /// Looks at the start of `bytes`.
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

    /// How many bytes at the start of `bytes` are whole records.
    pub fn whole(bytes: &[u8]) -> usize {
        let mut end = 0;
        while let Self::Whole(head, length) = Self::first(bytes.get(end..).unwrap_or_default()) {
            end += head + length;
        }
        end
    }
}
