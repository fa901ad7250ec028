//! Hostile archives: they may be refused, and nothing else. Called by the fuzz target in `fuzz/`; no part of a release.
#![allow(clippy::missing_panics_doc, reason = "a panic is what this is for")]

use std::io::{self, Read};

use crate::tar::{SparseReader, TarReader};

/// Bytes of the headers of one entry.
const LIMIT: u64 = 4096;

/// An archive, walked to its end.
pub fn tar(bytes: &[u8]) {
    let mut archive = TarReader::new(bytes, LIMIT);
    while let Ok(Some(entry)) = archive.next() {
        // Letters, and a pair of numbers for two letters of a map.
        assert!(entry.metadata() <= 16 * LIMIT, "{} bytes", entry.metadata());
        assert!(entry.size <= bytes.len() as u64 || io::copy(&mut archive, &mut io::sink()).is_err());
        let Some(map) = entry.sparse else { continue };
        let stored = map.stored();
        assert!(
            stored <= map.size() && map.blocks().iter().all(|(start, end)| start < end && *end <= map.size())
        );
        let mut reader = SparseReader::new(&map, &mut archive);
        if let Ok(read) = io::copy(&mut (&mut reader).take(1 << 20), &mut io::sink()) {
            assert_eq!(read, stored.min(1 << 20));
        }
    }
}
