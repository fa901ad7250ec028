//! Which blobs are wanted right now, by pulls under way and by images in someone's hands: those are never collected.
//! Held by `manager`, taken by `fetch` and by every [`crate::Image`], asked by `prune`.

use std::{
    collections::{HashMap, HashSet},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use crate::Digest;

/// The wanted blobs of a store.
#[derive(Debug, Clone, Default)]
pub(crate) struct Holds(Arc<Mutex<Wanted>>);

#[derive(Debug, Default)]
struct Wanted {
    counts: HashMap<Digest, usize>,
    /// While a collection runs: what was let go since it began. The index that it works by may be older.
    released: Option<HashSet<Digest>>,
}

/// Keeps blobs as long as it lives. Two holds are always equal: they are no part of what an image is.
#[derive(Debug)]
pub(crate) struct Hold {
    holds: Holds,
    blobs: HashSet<Digest>,
}

impl Holds {
    /// Takes hold, before looking whether the blobs are there.
    pub(crate) fn hold(&self, blobs: HashSet<Digest>) -> Hold {
        let mut wanted = self.wanted();
        for blob in &blobs {
            *wanted.counts.entry(blob.clone()).or_default() += 1;
        }
        drop(wanted);
        Hold { holds: self.clone(), blobs }
    }

    /// From now until `end`, what is let go counts as wanted.
    pub(crate) fn begin_collection(&self) {
        self.wanted().released = Some(HashSet::new());
    }

    pub(crate) fn end_collection(&self) {
        self.wanted().released = None;
    }

    /// Runs `remove` unless a blob is wanted; nobody can come to want it meanwhile.
    pub(crate) fn unless_wanted<T>(&self, hex: &str, remove: impl FnOnce() -> T) -> Option<T> {
        let wanted = self.wanted();
        let is = |blob: &Digest| blob.hex() == hex;
        if wanted.counts.keys().any(is) || wanted.released.iter().flatten().any(is) {
            return None;
        }
        Some(remove())
    }

    fn wanted(&self) -> MutexGuard<'_, Wanted> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Hold {
    fn drop(&mut self) {
        let mut wanted = self.holds.wanted();
        for blob in self.blobs.drain() {
            if let Some(count) = wanted.counts.get_mut(&blob) {
                *count -= 1;
                if *count == 0 {
                    wanted.counts.remove(&blob);
                }
            }
            if let Some(released) = &mut wanted.released {
                released.insert(blob);
            }
        }
    }
}

impl PartialEq for Hold {
    fn eq(&self, _: &Self) -> bool {
        true
    }
}

impl Eq for Hold {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_held_or_was_let_go_during_a_collection_stays() {
        let holds = Holds::default();
        let blob = Digest::of(b"x");
        let removed = |holds: &Holds| holds.unless_wanted(blob.hex(), || ()).is_some();
        let hold = holds.hold(HashSet::from([blob.clone()]));
        let second = holds.hold(HashSet::from([blob.clone()]));
        drop(second);
        assert!(!removed(&holds));
        holds.begin_collection();
        drop(hold);
        assert!(!removed(&holds));
        holds.end_collection();
        assert!(removed(&holds));
    }
}
