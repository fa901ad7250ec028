//! One output stream of an execution: its pipe, and the replay buffer of what was read from it.
//!
//! Owned by `state`; filled by `drain`, read by `attachment`.

use std::sync::Arc;

use boxlite_wire::limits;
use bytes::Bytes;

use super::{
    pipe::{self, Pipe},
    purpose::Tap,
    replay::{Replay, TooOld},
};

/// A stream until its end, and its replay buffer until it is discarded.
#[derive(Default)]
pub(super) struct OutputStream {
    /// `None` if the stream has ended, was discarded, or never existed.
    pub(super) pipe: Option<Pipe>,
    pub(super) replay: Replay,
    /// Whether bytes were discarded that nobody has read. They followed those of the replay buffer.
    pub(super) incomplete: bool,
    /// Receives everything that is read, as the stream of this number.
    tap: Option<(Arc<dyn Tap>, usize)>,
}

impl OutputStream {
    pub(super) fn tapped(tap: &Arc<dyn Tap>, number: usize) -> Self {
        Self { tap: Some((Arc::clone(tap), number)), ..Self::default() }
    }

    /// Bytes from `offset` on that were read before, or `None` if there are none.
    pub(super) fn replayed(&self, offset: u64) -> Result<Option<Bytes>, TooOld> {
        if offset >= self.replay.end() {
            return Ok(None);
        }
        self.replay.read(offset).map(Some)
    }

    /// Bytes that wait in its pipe.
    pub(super) fn waiting(&self) -> u64 {
        self.pipe.as_ref().map_or(0, |pipe| pipe::waiting(pipe) as u64)
    }

    /// Discards what it holds.
    pub(super) fn discard(&mut self) {
        self.incomplete |= self.waiting() > 0;
        self.pipe = None;
        self.replay.clear();
    }

    /// Notes what was read just now, of which an empty chunk is the end of the stream.
    pub(super) fn push(&mut self, data: &Bytes) {
        self.push_within(data, limits::REPLAY);
    }

    /// The same with a replay buffer of at most `most` bytes.
    pub(super) fn push_within(&mut self, data: &Bytes, most: usize) {
        if data.is_empty() {
            self.pipe = None;
        } else {
            self.replay.push(data, most);
            if let Some((tap, number)) = &self.tap {
                tap.take(*number, data);
            }
        }
    }
}
