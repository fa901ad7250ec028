//! When connections have to be looked at although nothing happens to them. A connection that is busy moves its time ahead with each
//! segment, so a time is only looked at again when the one before has come.

use std::{cmp::Reverse, collections::BinaryHeap, time::Instant};

/// Times of connections, by their numbers.
#[derive(Debug, Default)]
pub(super) struct Timers(BinaryHeap<Reverse<(Instant, usize)>>);

impl Timers {
    /// Remembers to look at a connection. `known` is the time for which it is remembered already.
    pub(super) fn set(&mut self, number: usize, at: Option<Instant>, known: &mut Option<Instant>) {
        let Some(at) = at else { return };
        if known.is_none_or(|known| at < known) {
            self.0.push(Reverse((at, number)));
            *known = Some(at);
        }
    }

    /// Returns the next connection whose time has come. Its time is forgotten.
    pub(super) fn pop(&mut self, now: Instant) -> Option<(Instant, usize)> {
        let Reverse((at, _)) = *self.0.peek()?;
        if at > now {
            return None;
        }
        self.0.pop().map(|Reverse(due)| due)
    }

    /// The first time.
    pub(super) fn first(&self) -> Option<Instant> {
        self.0.peek().map(|Reverse((at, _))| *at)
    }
}
