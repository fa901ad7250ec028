//! Puts the fragments of an IP packet together (RFC 791, RFC 8200). Called by `handler`. Memory is bounded by the number of packets that
//! are incomplete, and an incomplete packet is given up after half a minute. One whose fragments overlap is given up at once (RFC 5722).

use std::{
    collections::HashMap,
    net::IpAddr,
    time::{Duration, Instant},
};

use super::packet::{Packet, Part};

/// Most packets that are incomplete at one time, each of 64 KiB at most.
pub(super) const INCOMPLETE_MAX: usize = 32;
/// How long a packet may be incomplete.
pub(super) const PATIENCE: Duration = Duration::from_secs(30);
/// Most bytes of a message.
const MESSAGE_MAX: usize = 65_535;
/// Most bytes of the first fragment that are kept for an ICMP error.
const QUOTED_MAX: usize = 1280;

/// The packets that are incomplete.
#[derive(Debug, Default)]
pub(crate) struct Fragments(HashMap<Key, Incomplete>);

type Key = (IpAddr, IpAddr, u8, u32);

/// A message whose fragments have all come.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Whole {
    /// The message.
    pub(crate) message: Vec<u8>,
    /// The beginning of the packet, its headers included.
    pub(super) quoted: Vec<u8>,
}

#[derive(Debug)]
struct Incomplete {
    began: Instant,
    message: Vec<u8>,
    /// The parts that have come, in order and with gaps between them.
    parts: Vec<(usize, usize)>,
    /// The length of the message, once the last fragment has come.
    length: Option<usize>,
    quoted: Vec<u8>,
}

impl Fragments {
    /// Adds a fragment. Returns the message if it was the last that was missing, and how many packets were given up.
    pub(crate) fn add(&mut self, packet: &Packet<'_>, part: Part, now: Instant) -> (Option<Whole>, usize) {
        let before = self.0.len();
        self.0.retain(|_, incomplete| now.saturating_duration_since(incomplete.began) < PATIENCE);
        let mut given_up = before - self.0.len();
        let key = (packet.from, packet.to, packet.protocol, part.ident);
        if !self.0.contains_key(&key) && self.0.len() >= INCOMPLETE_MAX {
            let oldest = self.0.iter().min_by_key(|(_, incomplete)| incomplete.began).map(|(key, _)| *key);
            given_up += usize::from(oldest.and_then(|oldest| self.0.remove(&oldest)).is_some());
        }
        let incomplete = self.0.entry(key).or_insert_with(|| Incomplete::new(now));
        match incomplete.add(packet, part) {
            Added::More => (None, given_up),
            Added::All => {
                let whole =
                    self.0.remove(&key).map(|Incomplete { message, quoted, .. }| Whole { message, quoted });
                (whole, given_up)
            }
            Added::Wrong => {
                self.0.remove(&key);
                (None, given_up + 1)
            }
        }
    }

    #[cfg(test)]
    pub(super) fn held(&self) -> (usize, usize) {
        (self.0.len(), self.0.values().map(|incomplete| incomplete.message.capacity()).sum())
    }
}

enum Added {
    More,
    All,
    Wrong,
}

impl Incomplete {
    fn new(began: Instant) -> Self {
        Self { began, message: Vec::new(), parts: Vec::new(), length: None, quoted: Vec::new() }
    }

    fn add(&mut self, packet: &Packet<'_>, part: Part) -> Added {
        let (start, end) = (part.offset, part.offset + packet.message.len());
        let after_end = self.length.is_some_and(|length| end > length || (!part.more && end != length));
        if start == end
            || end > MESSAGE_MAX
            || after_end
            || (part.more && !packet.message.len().is_multiple_of(8))
        {
            return Added::Wrong;
        }
        let at = self.parts.partition_point(|&(_, before)| before <= start);
        match self.parts.get(at) {
            // It has come before.
            Some(&(from, to)) if from <= start && end <= to => return Added::More,
            Some(&(from, _)) if from < end => return Added::Wrong,
            _ => {}
        }
        if !part.more {
            if self.parts.last().is_some_and(|&(_, last)| last > end) {
                return Added::Wrong;
            }
            self.length = Some(end);
        }
        self.parts.insert(at, (start, end));
        self.join(at);
        if self.message.len() < end {
            if self.message.capacity() < end {
                // Doubled as a whole, so that it never has more than the largest message.
                let room = (end * 2).min(MESSAGE_MAX);
                self.message.reserve_exact(room - self.message.len());
            }
            self.message.resize(end, 0);
        }
        self.message[start..end].copy_from_slice(packet.message);
        if start == 0 {
            self.quoted = packet.bytes[..packet.bytes.len().min(QUOTED_MAX)].to_vec();
        }
        match self.length {
            Some(length) if self.parts == [(0, length)] => Added::All,
            _ => Added::More,
        }
    }

    /// Joins the part at a place with its neighbours where nothing is between them.
    fn join(&mut self, at: usize) {
        if let Some(&(start, end)) = self.parts.get(at + 1)
            && self.parts[at].1 == start
        {
            self.parts[at].1 = end;
            self.parts.remove(at + 1);
        }
        if at > 0 && self.parts[at - 1].1 == self.parts[at].0 {
            self.parts[at - 1].1 = self.parts[at].1;
            self.parts.remove(at);
        }
    }
}
