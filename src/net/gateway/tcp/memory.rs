//! Gives memory back to the system after a crowd of connections. glibc keeps what lay between things that are still in use, so that the
//! process of an idle box would have what its busiest moment took. Called by `tcp`.

#![allow(unsafe_code, reason = "malloc_trim(3)")]

/// So many connections at one time are a crowd. Fewer take no memory that would be worth a look.
const CROWD: usize = 128;

/// Sees crowds come and go.
#[derive(Debug, Default)]
pub(super) struct Trimmer {
    most: usize,
}

impl Trimmer {
    /// Notes how many connections there are. Returns whether memory was given back, which takes milliseconds: once a crowd is down to an eighth.
    pub(super) fn note(&mut self, open: usize) -> bool {
        self.most = self.most.max(open);
        let gone = self.most >= CROWD && open <= self.most / 8;
        if gone {
            self.most = open;
            trim();
        }
        gone
    }
}

#[cfg(target_env = "gnu")]
fn trim() {
    // SAFETY: it may be called at any time from any thread.
    let _ = unsafe { nix::libc::malloc_trim(0) };
}

/// Other allocators give memory back by themselves.
#[cfg(not(target_env = "gnu"))]
const fn trim() {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn memory_is_given_back_once_after_each_crowd() {
        let mut trimmer = Trimmer::default();
        let counts = (0..=1000).chain((0..1000).rev()).chain(0..100).chain((0..100).rev());
        assert_eq!(counts.clone().filter(|open| trimmer.note(*open)).count(), 1);
        assert_eq!((0..=2).chain(0..300).chain((0..300).rev()).filter(|open| trimmer.note(*open)).count(), 1);
    }
}
