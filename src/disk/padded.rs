//! Reads of a file that end behind its end, where everything counts as zero. Called by `leaks` and `overlay`.

use std::{fs::File, io, os::unix::fs::FileExt};

/// Reads `length` bytes of `file` from `offset` on.
pub(crate) fn read_padded(file: &File, offset: u64, length: u64) -> io::Result<Vec<u8>> {
    let mut bytes = vec![0; usize::try_from(length).map_err(io::Error::other)?];
    let mut filled = 0;
    while filled < bytes.len() {
        match file.read_at(&mut bytes[filled..], offset + filled as u64) {
            Ok(0) => break,
            Ok(count) => filled += count,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(bytes)
}
