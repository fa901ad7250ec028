//! Who reads an execution's output, and how far each reader is. The slowest of them holds the process back, so that each
//! receives all of the output: nothing is read from the pipes for one reader that would push bytes out of the replay buffer that
//! another has not read yet. A reader that takes nothing for a while, while others wait for it, is passed over.
//!
//! Owned by `state`; changed by `reader_guard`, through which `attachment` checks before it reads.

use boxlite_wire::limits;
use parking_lot::Mutex;
use tokio::sync::watch;

/// Bytes that a reader may be behind before it holds the others back. That is one chunk less than the replay buffer has.
const BEHIND: u64 = (limits::REPLAY - limits::CHUNK) as u64;

/// The readers of one execution.
#[derive(Debug, Default)]
pub(super) struct Readers {
    entries: Mutex<Entries>,
    /// Changes, where there are several readers, when one has read from a pipe, has moved on or has left.
    changed: watch::Sender<()>,
}

#[derive(Debug, Default)]
struct Entries {
    last: u64,
    readers: Vec<Entry>,
}

#[derive(Debug)]
struct Entry {
    number: u64,
    /// The next byte that it wants of each stream.
    next: Option<[u64; 2]>,
    /// How often it has moved on.
    moves: u64,
    /// Whether the others no longer wait for it.
    passed_over: bool,
}

/// Which streams a reader may not read from because of slower readers.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Blocked {
    pub(super) streams: [bool; 2],
    /// How often those others have moved on.
    pub(super) moves: u64,
}

impl Blocked {
    pub(super) fn any(self) -> bool {
        self.streams.contains(&true)
    }
}

impl Readers {
    /// A new reader's number.
    pub(super) fn enter(&self, next: Option<[u64; 2]>) -> u64 {
        let mut entries = self.entries.lock();
        entries.last += 1;
        let number = entries.last;
        entries.readers.push(Entry { number, next, moves: 0, passed_over: false });
        number
    }

    pub(super) fn leave(&self, number: u64) {
        let mut entries = self.entries.lock();
        entries.readers.retain(|reader| reader.number != number);
        if !entries.readers.is_empty() {
            self.changed.send_replace(());
        }
    }

    pub(super) fn count(&self) -> usize {
        self.entries.lock().readers.len()
    }

    /// A receiver to wait for changes by other readers.
    pub(super) fn watch(&self) -> watch::Receiver<()> {
        self.changed.subscribe()
    }

    /// Notes how far a reader has come.
    pub(super) fn moved(&self, number: u64, next: [u64; 2]) {
        let mut entries = self.entries.lock();
        if let Some(reader) = entries.readers.iter_mut().find(|reader| reader.number == number) {
            reader.moves += 1;
            (reader.next, reader.passed_over) = (Some(next), false);
        }
        if entries.readers.len() > 1 {
            self.changed.send_replace(());
        }
    }

    /// Which streams the others block for the reader `number`, where the streams have been read up to `ends`.
    pub(super) fn blocked(&self, number: u64, ends: [u64; 2]) -> Blocked {
        let mut blocked = Blocked::default();
        for reader in &self.entries.lock().readers {
            let behind = reader.behind(ends);
            if reader.number == number || reader.passed_over || !behind.contains(&true) {
                continue;
            }
            blocked.moves += reader.moves;
            blocked.streams = [0, 1].map(|index| blocked.streams[index] || behind[index]);
        }
        blocked
    }

    /// Lets the reader `number` go on without those that block it, until they move on.
    pub(super) fn pass_over(&self, number: u64, ends: [u64; 2]) {
        let mut entries = self.entries.lock();
        for reader in entries.readers.iter_mut().filter(|reader| reader.number != number) {
            reader.passed_over |= reader.behind(ends).contains(&true);
        }
        self.changed.send_replace(());
    }
}

impl Entry {
    /// For each stream, whether it has been read so far ahead that this reader blocks it.
    fn behind(&self, ends: [u64; 2]) -> [bool; 2] {
        let Some(next) = self.next else { return [false; 2] };
        [0, 1].map(|index| ends[index].saturating_sub(next[index]) > BEHIND)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_slowest_blocks_the_others_stream_by_stream_until_it_is_passed_over() {
        let readers = Readers::default();
        let [slow, fast] = [[0, 0], [900_000, 0]].map(|next| readers.enter(Some(next)));
        let blocked = |number, ends| readers.blocked(number, ends).streams;
        assert_eq!(blocked(fast, [BEHIND, 0]), [false, false]);
        assert_eq!(blocked(fast, [BEHIND + 1, 0]), [true, false]);
        assert_eq!(blocked(fast, [0, BEHIND + 1]), [false, true], "each is behind in the second");
        assert_eq!(blocked(slow, [900_001, 0]), [false, false], "nobody waits for itself");
        let moves = readers.blocked(fast, [BEHIND + 1, 0]).moves;
        readers.moved(slow, [1, 0]);
        assert_eq!(blocked(fast, [BEHIND + 1, 0]), [false, false]);
        assert_ne!(readers.blocked(fast, [BEHIND + 2, 0]).moves, moves);
        readers.pass_over(fast, [BEHIND + 2, 0]);
        assert_eq!(blocked(fast, [BEHIND + 2, 0]), [false, false]);
        readers.moved(slow, [2, 0]);
        assert_eq!(blocked(fast, [BEHIND + 3, 0]), [true, false], "it reads again");
        readers.leave(slow);
        assert_eq!((blocked(fast, [BEHIND + 3, 0]), readers.count()), ([false, false], 1));
    }
}
