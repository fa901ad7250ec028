//! One output stream of an execution: its pipe, and what was read from it lately.
//!
//! Owned by `process`; driven by `attachment`.

use std::sync::Arc;

use boxlite_wire::limits;
use bytes::Bytes;

use super::{
    pipe::{self, Pipe},
    purpose::Tap,
    replay::{Replay, TooOld},
};

/// A stream until its end, and its replay until it is forgotten.
#[derive(Debug, Default)]
pub(super) struct Stream {
    /// `None`: it has ended, was given up, or never was.
    pub(super) pipe: Option<Pipe>,
    pub(super) replay: Replay,
    /// Whether bytes were given up that nobody has read.
    incomplete: bool,
    /// Hears everything, as the stream of this number.
    tap: Option<(Arc<dyn Tap>, usize)>,
}

impl Stream {
    pub(super) fn tapped(tap: &Arc<dyn Tap>, number: usize) -> Self {
        Self { tap: Some((Arc::clone(tap), number)), ..Self::default() }
    }

    /// Bytes that were read before, from `offset` on.
    pub(super) fn replayed(&self, offset: u64) -> Result<Option<Bytes>, TooOld> {
        if offset >= self.replay.end() {
            return Ok(None);
        }
        self.replay.read(offset).map(Some)
    }

    /// Whether there were bytes after those of the replay, and nobody has them.
    pub(super) fn is_incomplete(&self) -> bool {
        self.incomplete
    }

    /// Reads what is in its pipe now, as much as a pipe can hold.
    pub(super) fn take_in(&mut self) {
        // One that a process in the background goes on filling is left to a reader.
        for _ in 0..2 {
            // Whether or not the reactor knows of it yet.
            let Some(bytes) = self.pipe.as_ref().and_then(|pipe| pipe::at_hand(pipe.get_ref())) else {
                return;
            };
            // Beside what was sent and may have been lost, which stays as long as before.
            self.took_within(&bytes, limits::REPLAY + limits::CHUNK);
        }
    }

    /// Gives up what it holds, for want of room or of anybody who asks for it.
    pub(super) fn give_up(&mut self) {
        self.incomplete |= self.pipe.take().is_some_and(|pipe| pipe::waiting(pipe.get_ref()) > 0);
        self.replay.clear();
    }

    /// Notes what was read just now: nothing is the end.
    pub(super) fn took(&mut self, data: &Bytes) {
        self.took_within(data, limits::REPLAY);
    }

    fn took_within(&mut self, data: &Bytes, most: usize) {
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
