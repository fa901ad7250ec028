//! The last bytes of an output stream, kept after they were sent.
//!
//! Filled by `output`; read when an `Attach` asks for an offset, because its predecessor lost the connection.

use std::collections::VecDeque;

use bytes::{Bytes, BytesMut};

/// An offset whose bytes are gone.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TooOld {
    /// The first offset that is still there.
    pub oldest: u64,
}

/// The bytes `[end - kept, end)` of a stream.
#[derive(Debug, Default)]
pub struct Replay {
    end: u64,
    kept: VecDeque<u8>,
}

impl Replay {
    /// Position after the last byte.
    pub fn end(&self) -> u64 {
        self.end
    }

    /// Appends `data` and forgets the oldest bytes beyond `limit`.
    pub fn push(&mut self, data: &[u8], limit: usize) {
        self.end += data.len() as u64;
        let data = data.get(data.len().saturating_sub(limit)..).unwrap_or_default();
        let excess = (self.kept.len() + data.len()).saturating_sub(limit);
        self.kept.drain(..excess);
        self.kept.extend(data);
    }

    /// At most `max` bytes from `offset` on; empty at the end.
    pub fn read(&self, offset: u64, max: usize) -> Result<Bytes, TooOld> {
        let oldest = self.end - self.kept.len() as u64;
        let Some(skip) = offset.checked_sub(oldest) else { return Err(TooOld { oldest }) };
        let skip = usize::try_from(skip).unwrap_or(usize::MAX).min(self.kept.len());
        let length = max.min(self.kept.len() - skip);
        let (front, back) = self.kept.as_slices();
        let mut bytes = BytesMut::with_capacity(length);
        let from_front = front.get(skip..).unwrap_or_default();
        bytes.extend_from_slice(from_front.get(..length.min(from_front.len())).unwrap_or_default());
        let from_back = back.get(skip.saturating_sub(front.len())..).unwrap_or_default();
        bytes.extend_from_slice(from_back.get(..length - bytes.len()).unwrap_or_default());
        Ok(bytes.freeze())
    }

    /// Forgets every byte, but not how many there were.
    pub fn clear(&mut self) {
        self.kept = VecDeque::new();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Xorshift: chunk sizes that differ from run to run would not be a test that repeats.
    struct Random(u64);

    impl Random {
        fn below(&mut self, bound: usize) -> usize {
            self.0 ^= self.0 << 13;
            self.0 ^= self.0 >> 7;
            self.0 ^= self.0 << 17;
            usize::try_from(self.0 % bound as u64).expect("small")
        }
    }

    #[test]
    fn whatever_the_chunks_the_last_bytes_read_back() {
        for seed in 1..=200 {
            let mut random = Random(0x9E37_79B9_7F4A_7C15_u64.wrapping_mul(seed));
            let limit = 1 + random.below(300);
            let (mut replay, mut all) = (Replay::default(), Vec::new());
            for _ in 0..60 {
                let chunk: Vec<u8> = (0..random.below(100))
                    .map(|_| u8::try_from(random.below(256)).expect("a byte"))
                    .collect();
                replay.push(&chunk, limit);
                all.extend_from_slice(&chunk);
                assert_eq!(replay.end(), all.len() as u64);

                let (offset, max) = (random.below(all.len() + 1), random.below(120));
                let oldest = all.len().saturating_sub(limit);
                match replay.read(offset as u64, max) {
                    Ok(bytes) => {
                        assert!(offset >= oldest);
                        assert_eq!(bytes, all[offset..(offset + max).min(all.len())]);
                    }
                    Err(too_old) => {
                        assert!(offset < oldest);
                        assert_eq!(too_old.oldest, oldest as u64);
                    }
                }
            }
        }
    }

    #[test]
    fn cleared_bytes_are_too_old_and_the_end_is_not() {
        let mut replay = Replay::default();
        replay.push(b"abc", 10);
        replay.clear();
        assert_eq!(replay.read(2, 1), Err(TooOld { oldest: 3 }));
        assert_eq!(replay.read(3, 1), Ok(Bytes::new()));
    }
}
