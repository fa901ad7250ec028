//! One output stream of an execution: its pipe, and what was read from it lately.
//!
//! Owned by `process`; driven by `attachment`.

use boxlite_proto::limits;
use bytes::Bytes;

use super::{
    pipe::Pipe,
    replay::{Replay, TooOld},
};

/// A stream until its end, and its replay until it is forgotten.
#[derive(Debug, Default)]
pub(super) struct Stream {
    /// `None`: it has ended, was given up, or never was.
    pub(super) pipe: Option<Pipe>,
    pub(super) replay: Replay,
}

impl Stream {
    /// Bytes that were read before, from `offset` on.
    pub(super) fn replayed(&self, offset: u64) -> Result<Option<Bytes>, TooOld> {
        if offset >= self.replay.end() {
            return Ok(None);
        }
        self.replay.read(offset).map(Some)
    }

    /// Notes what was read just now: nothing is the end.
    pub(super) fn took(&mut self, data: &Bytes) {
        if data.is_empty() {
            self.pipe = None;
        } else {
            self.replay.push(data, limits::REPLAY);
        }
    }
}
