//! Sparse files in PAX headers, in the three forms that GNU tar writes (its manual, "Storing Sparse Files"). Filled by `pax`,
//! read by `reader` for the [`SparseMap`].

use std::io::Read;

use super::{error::TarError, sparse::SparseMap, value::number};

/// The `GNU.sparse.*` records of a PAX header.
#[derive(Debug, Default)]
pub(super) struct PaxSparse {
    major: u64,
    /// The file's real name: versions 0.1 and 1.0 put a made-up one into `path`.
    pub(super) name: Option<Vec<u8>>,
    size: Option<u64>,
    numbers: Vec<u64>,
}

impl PaxSparse {
    pub(super) fn set(&mut self, key: &[u8], value: &[u8]) -> Result<(), TarError> {
        match key {
            b"major" => self.major = number(value)?,
            b"name" => self.name = Some(value.to_vec()),
            b"size" | b"realsize" => self.size = Some(number(value)?),
            b"offset" | b"numbytes" => self.numbers.push(number(value)?),
            b"map" => {
                self.numbers = value
                    .split(|&byte| byte == b',')
                    .filter(|text| !text.is_empty())
                    .map(number)
                    .collect::<Result<_, _>>()?;
            }
            _ => {}
        }
        Ok(())
    }

    /// The map that these records describe, or `None` for a file that is not sparse. `stored` is the length of the
    /// content in the archive; version 1.0 keeps its map at the content's start, of at most `limit` bytes, and `stored`
    /// shrinks by it.
    pub(super) fn map<R: Read>(
        &self,
        content: &mut R,
        stored: &mut u64,
        limit: u64,
    ) -> Result<Option<SparseMap>, TarError> {
        let Some(size) = self.size else {
            return Ok(None);
        };
        let leading;
        let numbers = if self.major == 1 {
            leading = leading_map(content, stored, limit)?;
            &leading
        } else if self.major == 0 {
            &self.numbers
        } else {
            return Err(TarError::Unsupported(format!("read tar: sparse format {}", self.major)));
        };
        let pairs: Vec<_> = numbers.chunks_exact(2).map(|pair| (pair[0], pair[1])).collect();
        SparseMap::new(&pairs, size, *stored).map(Some)
    }
}

/// Version 1.0: decimal lines, the first of them the number of pairs, padded with zeros to a tar block.
fn leading_map<R: Read>(content: &mut R, stored: &mut u64, limit: u64) -> Result<Vec<u64>, TarError> {
    let malformed = || TarError::corrupt("read tar: malformed sparse map");
    let too_large = || TarError::TooLarge("read tar: sparse map".into());
    let mut numbers = Vec::new();
    let mut line = Vec::new();
    let mut read = 0_u64;
    let mut expected = 1_u64;
    let mut block = [0; 512];
    while (numbers.len() as u64) < expected {
        read += block.len() as u64;
        if read > *stored {
            return Err(malformed());
        }
        if read > limit {
            return Err(too_large());
        }
        content.read_exact(&mut block).map_err(|error| TarError::reading("read tar: sparse map", error))?;
        for &byte in &block {
            if byte != b'\n' {
                line.push(byte);
                continue;
            }
            numbers.push(number(&line)?);
            line.clear();
            expected = numbers[0].checked_mul(2).and_then(|n| n.checked_add(1)).ok_or_else(malformed)?;
            if numbers.len() as u64 == expected {
                break;
            }
        }
    }
    *stored -= read;
    numbers.remove(0);
    Ok(numbers)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_map_of_version_one_stands_before_the_content() {
        let mut content = b"1\n4096\n3\n".to_vec();
        content.resize(512, 0);
        content.extend(b"abc");
        let pax = PaxSparse { major: 1, size: Some(5000), ..PaxSparse::default() };
        let mut stored = 515;
        let map = pax.map(&mut &content[..], &mut stored, 1 << 20).unwrap();
        assert_eq!(map, SparseMap::new(&[(4096, 3)], 5000, 3).ok());
        assert_eq!(stored, 3);
    }
}
