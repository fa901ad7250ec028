//! The frames that wait for the link to the box, in one piece of memory of a fixed size, so that many of them leave in one call and none
//! is allocated. Filled by the device and by the loop; emptied by [`Link`](super::link::Link).

use std::{io::IoSlice, sync::Arc};

use super::frame::{ETHERNET, FRAME_MAX};
use crate::metrics::Counters;

/// The length that goes before each frame.
pub(crate) const LENGTH: usize = 4;
/// Over so many bytes, connections wait for room.
const SOFT: usize = 256 * 1024;
/// All memory. What is over [`SOFT`] is for answers that can't wait, such as acknowledgements.
const CAPACITY: usize = 640 * 1024;

/// Frames in their order. They lie in `head..tail` and, when there was no room after `tail`, in `0..second`.
#[derive(Debug)]
pub(crate) struct Outgoing {
    memory: Box<[u8]>,
    head: usize,
    tail: usize,
    second: usize,
    counters: Arc<Counters>,
}

impl Outgoing {
    /// Nothing yet. What is added is counted. Memory is taken from the system as it is written.
    pub(crate) fn new(counters: Arc<Counters>) -> Self {
        Self { memory: vec![0; CAPACITY].into_boxed_slice(), head: 0, tail: 0, second: 0, counters }
    }

    /// The number of bytes that wait.
    pub(crate) fn len(&self) -> usize {
        self.tail - self.head + self.second
    }

    /// Whether nothing waits.
    pub(crate) fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Whether a connection may add a frame. There is room for the largest one then.
    pub(crate) fn has_room(&self) -> bool {
        self.len() < SOFT && self.place(LENGTH + FRAME_MAX).is_some()
    }

    /// Whether there is room for the answer to any one frame, so that the next may be read.
    pub(crate) fn has_reserve(&self) -> bool {
        self.place(LENGTH + FRAME_MAX).is_some()
    }

    /// Where so many bytes go, and whether this is the second part.
    fn place(&self, length: usize) -> Option<(usize, bool)> {
        if self.second > 0 {
            return (self.head - self.second >= length).then_some((self.second, true));
        }
        if CAPACITY - self.tail >= length {
            return Some((self.tail, false));
        }
        (self.head >= length).then_some((0, true))
    }

    /// Adds a frame of `length` bytes, and returns it to be written. Returns `None` if there is no room or the length is no frame's.
    pub(crate) fn push(&mut self, length: usize) -> Option<&mut [u8]> {
        if !(ETHERNET..=FRAME_MAX).contains(&length) {
            return None;
        }
        let (at, second) = self.place(LENGTH + length)?;
        self.counters.count_received(length);
        let end = at + LENGTH + length;
        if second {
            self.second = end;
        } else {
            self.tail = end;
        }
        let (prefix, frame) = self.memory[at..end].split_at_mut(LENGTH);
        prefix.copy_from_slice(&u32::try_from(length).unwrap_or(0).to_be_bytes());
        Some(frame)
    }

    /// The bytes that wait, at most `most` of them.
    pub(crate) fn slices(&self, most: usize) -> [IoSlice<'_>; 2] {
        let first = &self.memory[self.head..self.tail];
        let first = &first[..first.len().min(most)];
        let second = &self.memory[..self.second.min(most - first.len())];
        [IoSlice::new(first), IoSlice::new(second)]
    }

    /// Removes bytes that have left.
    pub(crate) fn consume(&mut self, count: usize) {
        let first = count.min(self.tail - self.head);
        self.head += first;
        if self.head == self.tail {
            (self.head, self.tail, self.second) = (count - first, self.second, 0);
            if self.head == self.tail {
                (self.head, self.tail) = (0, 0);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Takes up to `count` bytes out.
    fn take(out: &mut Outgoing, count: usize, into: &mut Vec<u8>) {
        let taken = out.slices(count).iter().map(|part| into.extend_from_slice(part)).count();
        assert_eq!(taken, 2);
        let count = count.min(out.len());
        out.consume(count);
    }

    #[test]
    fn frames_come_out_as_they_went_in_however_they_are_cut() {
        let (mut out, mut sent, mut received) = (Outgoing::new(Arc::default()), Vec::new(), Vec::new());
        let mut random = 1_u32;
        let mut next = |below: usize| {
            random = random.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            (random >> 8) as usize % below
        };
        let mut refused = 0;
        for round in 0..20_000 {
            let length = ETHERNET + next(if round % 3 == 0 { 65_536 } else { 2000 });
            let value = u8::try_from(next(256)).unwrap();
            if let Some(frame) = out.push(length) {
                frame.fill(value);
                sent.extend(u32::try_from(length).unwrap().to_be_bytes());
                sent.resize(sent.len() + length, value);
            } else {
                refused += 1;
            }
            let count = next(if round / 100 % 2 == 0 { 9000 } else { 60_000 });
            take(&mut out, count, &mut received);
            let same = received.len().min(sent.len());
            assert!(sent[..same] == received[..same]);
            sent.drain(..same);
            received.drain(..same);
        }
        assert!(refused > 0, "it was never full");
        take(&mut out, usize::MAX, &mut received);
        assert!(sent == received && out.is_empty());
    }

    #[test]
    fn a_frame_that_the_engine_could_not_take_is_refused() {
        let mut out = Outgoing::new(Arc::default());
        assert!(out.push(FRAME_MAX + 1).is_none());
        assert!(out.push(0).is_none());
        assert!(out.push(FRAME_MAX).is_some());
    }

    #[test]
    fn network_pitfalls_buffers_against_queue_room_is_for_the_largest_frame() {
        let mut out = Outgoing::new(Arc::default());
        while out.has_room() {
            assert!(out.push(FRAME_MAX).is_some());
        }
        // Answers still fit.
        assert!(out.has_reserve() && out.push(64).is_some());
        let half = out.len() / 2;
        out.consume(half);
        assert!(out.has_room());
    }
}
