//! The replay buffer: the last bytes of an output stream, kept after they were sent.
//!
//! Filled by `output_stream`; read when an `Attach` names an offset because an earlier one lost its connection, and by readers
//! that are behind others.

use std::{collections::VecDeque, mem};

use bytes::{Buf as _, Bytes};

/// Chunks shorter than this are joined, since each chunk costs some memory of its own.
const CHUNK: usize = 16 * 1024;

/// An offset whose bytes are gone.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TooOld {
    /// The first offset whose byte is in the buffer.
    pub oldest: u64,
}

/// The bytes `[end - len, end)` of a stream. Large chunks are shared with their receivers, not copied.
#[derive(Debug, Default)]
pub struct Replay {
    end: u64,
    len: usize,
    chunks: VecDeque<Bytes>,
    /// Short chunks, after all others.
    tail: Vec<u8>,
}

impl Replay {
    /// Position after the last byte.
    pub fn end(&self) -> u64 {
        self.end
    }

    /// Position of the oldest byte in the buffer.
    pub fn oldest(&self) -> u64 {
        self.end - self.len as u64
    }

    /// The number of bytes in the buffer.
    pub fn size(&self) -> usize {
        self.len
    }

    /// Appends `data` and drops the oldest bytes beyond `limit`.
    pub fn push(&mut self, data: &Bytes, limit: usize) {
        self.end += data.len() as u64;
        self.len += data.len();
        if data.len() < CHUNK {
            self.tail.extend_from_slice(data);
        }
        if data.len() >= CHUNK || self.tail.len() >= CHUNK {
            let tail = mem::take(&mut self.tail);
            self.chunks.extend((!tail.is_empty()).then(|| Bytes::from(tail)));
        }
        if data.len() >= CHUNK {
            self.chunks.push_back(data.clone());
        }
        self.drop_oldest(self.len.saturating_sub(limit));
    }

    fn drop_oldest(&mut self, mut excess: usize) {
        self.len -= excess;
        while let Some(front) = self.chunks.front_mut().filter(|_| excess > 0) {
            let gone = excess.min(front.len());
            front.advance(gone);
            excess -= gone;
            if front.is_empty() {
                self.chunks.pop_front();
            }
        }
        self.tail.drain(..excess);
    }

    /// Some bytes from `offset` on, those of one chunk. Empty at the end.
    ///
    /// # Errors
    ///
    /// The bytes at `offset` are gone.
    pub fn read(&self, offset: u64) -> Result<Bytes, TooOld> {
        let oldest = self.oldest();
        let Some(skip) = offset.checked_sub(oldest) else { return Err(TooOld { oldest }) };
        let mut skip = usize::try_from(skip).unwrap_or(usize::MAX);
        for chunk in &self.chunks {
            if skip < chunk.len() {
                return Ok(chunk.slice(skip..));
            }
            skip -= chunk.len();
        }
        Ok(Bytes::copy_from_slice(self.tail.get(skip..).unwrap_or_default()))
    }

    /// Drops every byte, but keeps the position of the end.
    pub fn clear(&mut self) {
        *self = Self { end: self.end, ..Self::default() };
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
            let limit = 1 + random.below(80_000);
            let (mut replay, mut all) = (Replay::default(), Vec::new());
            for _ in 0..60 {
                let longest = [100, 40_000][random.below(2)];
                let chunk: Vec<u8> = (0..random.below(longest))
                    .map(|_| u8::try_from(random.below(256)).expect("a byte"))
                    .collect();
                all.extend_from_slice(&chunk);
                replay.push(&chunk.into(), limit);
                assert_eq!(replay.end(), all.len() as u64);

                let offset = random.below(all.len() + 1);
                let oldest = all.len().saturating_sub(limit);
                match replay.read(offset as u64) {
                    Ok(bytes) => {
                        assert!(offset >= oldest);
                        assert!(all[offset..].starts_with(&bytes));
                        assert_eq!(bytes.is_empty(), offset == all.len());
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
        replay.push(&Bytes::from_static(b"abc"), 10);
        replay.clear();
        assert_eq!(replay.read(2), Err(TooOld { oldest: 3 }));
        assert_eq!(replay.read(3), Ok(Bytes::new()));
    }
}
