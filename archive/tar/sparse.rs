//! Sparse files in tar, and how their holes become holes of a disk or a file.
//!
//! Old GNU keeps its map in the header (`reader` reads it), the three newer forms in PAX records (`pax_sparse`). The caller who makes the
//! file finds the data by its [`SparseMap`] and reads it through [`SparseReader`].

use std::io::{self, Read};

use super::error::TarError;

const BLOCK: u64 = 4096;

/// Where a sparse file has data. What lies between reads as zeros.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SparseMap {
    /// `(offset, length)` pairs in ascending order, without overlap, none empty.
    data: Vec<(u64, u64)>,
    /// The file's length.
    size: u64,
}

impl SparseMap {
    /// Checks the pairs of a header; `stored` is how many bytes of content the archive holds.
    pub(super) fn new(pairs: &[(u64, u64)], size: u64, stored: u64) -> Result<Self, TarError> {
        let bad = || TarError::corrupt("read tar: contradictory sparse map");
        let mut end = 0;
        let mut total = 0_u64;
        let mut data = Vec::new();
        for &(offset, length) in pairs.iter().filter(|pair| pair.1 > 0) {
            if offset < end {
                return Err(bad());
            }
            end = offset.checked_add(length).ok_or_else(bad)?;
            total = total.checked_add(length).ok_or_else(bad)?;
            data.push((offset, length));
        }
        if end > size || total != stored {
            return Err(bad());
        }
        Ok(Self { data, size })
    }

    /// The file's length.
    pub fn size(&self) -> u64 {
        self.size
    }

    /// Bytes that the map itself takes.
    pub fn memory(&self) -> usize {
        size_of_val(&*self.data)
    }

    /// The data widened to whole blocks, as the disk stores it: `(start, end)` in ascending order.
    pub fn blocks(&self) -> Vec<(u64, u64)> {
        let mut ranges: Vec<(u64, u64)> = Vec::new();
        for &(offset, length) in &self.data {
            let start = offset / BLOCK * BLOCK;
            let end = (offset + length).next_multiple_of(BLOCK).min(self.size);
            match ranges.last_mut() {
                Some(last) if start <= last.1 => last.1 = last.1.max(end),
                _ => ranges.push((start, end)),
            }
        }
        ranges
    }

    /// How many runs of data and of nothing the file is.
    pub fn runs(&self) -> u64 {
        let mut runs = 0;
        let mut at = 0;
        for (start, end) in self.blocks() {
            runs += 1 + u64::from(start > at);
            at = end;
        }
        runs + u64::from(self.size > at)
    }

    /// How many bytes the disk stores.
    pub fn stored(&self) -> u64 {
        self.blocks().iter().map(|(start, end)| end - start).sum()
    }

    /// What the stored blocks are made of: runs of zeros and of archived bytes.
    fn pieces(&self) -> Vec<Piece> {
        let mut pieces = Vec::new();
        let mut data = self.data.iter().peekable();
        for (start, end) in self.blocks() {
            let mut at = start;
            while let Some(&(offset, length)) = data.next_if(|pair| pair.0 < end) {
                pieces.push(Piece::Zeros(offset - at));
                pieces.push(Piece::Data(length));
                at = offset + length;
            }
            pieces.push(Piece::Zeros(end - at));
        }
        pieces.reverse();
        pieces
    }
}

#[derive(Debug)]
enum Piece {
    Zeros(u64),
    Data(u64),
}

/// The content of a sparse file's stored blocks, from the packed bytes in the archive.
#[derive(Debug)]
pub struct SparseReader<R> {
    packed: R,
    /// What is still to come, last first.
    pieces: Vec<Piece>,
}

impl<R: Read> SparseReader<R> {
    /// Reads the file of `map`, whose data is `packed`.
    pub fn new(map: &SparseMap, packed: R) -> Self {
        Self { packed, pieces: map.pieces() }
    }
}

impl<R: Read> Read for SparseReader<R> {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        while let Some(piece) = self.pieces.last_mut() {
            let (Piece::Zeros(left) | Piece::Data(left)) = piece;
            if *left == 0 {
                self.pieces.pop();
                continue;
            }
            let want = usize::try_from(*left).unwrap_or(usize::MAX).min(buf.len());
            let read = match piece {
                Piece::Zeros(left) => {
                    buf[..want].fill(0);
                    *left -= want as u64;
                    want
                }
                Piece::Data(left) => {
                    let read = self.packed.read(&mut buf[..want])?;
                    *left -= read as u64;
                    read
                }
            };
            return Ok(read);
        }
        Ok(0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn unaligned_data_is_widened_to_blocks_and_padded_with_zeros() {
        let map = SparseMap::new(&[(100, 3), (5000, 2), (20000, 5)], 20005, 10).unwrap();
        assert_eq!(map.blocks(), [(0, 8192), (16384, 20005)]);
        assert_eq!(map.runs(), 3);
        let mut bytes = Vec::new();
        SparseReader::new(&map, &b"abcdeABCDE"[..]).read_to_end(&mut bytes).unwrap();
        assert_eq!(bytes.len() as u64, map.stored());
        assert_eq!(&bytes[100..103], b"abc");
        assert_eq!(&bytes[5000..5002], b"de");
        assert_eq!(&bytes[8192 + 20000 - 16384..], b"ABCDE");
    }

    #[test]
    fn a_file_of_nothing_but_a_hole() {
        let map = SparseMap::new(&[(1 << 20, 0)], 1 << 20, 0).unwrap();
        assert_eq!(map.blocks(), []);
        assert_eq!(map.runs(), 1);
        assert_eq!(map.stored(), 0);
    }

    #[test]
    fn contradictory_maps_are_refused() {
        let maps = [
            (vec![(0, 10), (5, 10)], 100, 20),
            (vec![(0, 10)], 5, 10),
            (vec![(0, 10)], 100, 11),
            (vec![(u64::MAX, 10)], u64::MAX, 10),
        ];
        for (pairs, size, stored) in maps {
            let refused = SparseMap::new(&pairs, size, stored).unwrap_err().to_string();
            assert!(refused.contains("contradictory sparse map"), "{pairs:?}: {refused}");
        }
    }
}
