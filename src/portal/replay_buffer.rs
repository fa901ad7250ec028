//! `ReplayBuffer`: the last bytes that were sent of a stream, so that they can be sent again over another connection. Owned by
//! `stdin`.

use std::collections::VecDeque;

use boxlite_wire::limits;
use bytes::Bytes;

/// The last chunks of a stream: at least [`limits::STDIN_REPLAY`] bytes of it once it is that long.
#[derive(Debug, Default)]
pub(crate) struct ReplayBuffer {
    chunks: VecDeque<Bytes>,
    /// Position of the first byte of `chunks` in the stream.
    start: u64,
    /// Position after the last byte.
    end: u64,
}

impl ReplayBuffer {
    /// Position of the oldest byte in the buffer.
    pub(crate) fn start(&self) -> u64 {
        self.start
    }

    /// Position after the last byte of the stream.
    pub(crate) fn end(&self) -> u64 {
        self.end
    }

    /// Appends `chunk`, and drops the oldest chunks that are not needed any more.
    pub(crate) fn push(&mut self, chunk: Bytes) {
        self.end += chunk.len() as u64;
        self.chunks.push_back(chunk);
        while let Some(oldest) = self.chunks.front()
            && self.end - self.start - oldest.len() as u64 >= limits::STDIN_REPLAY as u64
        {
            self.start += oldest.len() as u64;
            self.chunks.pop_front();
        }
    }

    /// The bytes from `position` to the end of their chunk, or `None` at the end of the stream.
    pub(crate) fn chunk_at(&self, position: u64) -> Option<Bytes> {
        let mut start = self.start;
        for chunk in &self.chunks {
            let end = start + chunk.len() as u64;
            if position < end {
                return Some(chunk.slice(usize::try_from(position.checked_sub(start)?).ok()?..));
            }
            start = end;
        }
        None
    }
}
