//! One entry of a tar archive, as its headers describe it. Made by `reader`.

use ::tar::EntryType;

use super::sparse::SparseMap;

/// What an extended attribute takes in memory beside its letters: two allocations and what leads to them.
const ATTRIBUTE: u64 = 64;

/// One entry as its headers describe it, names not yet interpreted.
#[derive(Debug)]
#[non_exhaustive]
pub struct TarEntry {
    /// Its position among the archive's entries: the key under which the second pass finds it again.
    pub ordinal: u32,
    /// What it is.
    pub kind: EntryType,
    /// Its name.
    pub path: Vec<u8>,
    /// Where a link leads.
    pub link: Vec<u8>,
    /// Type and permissions.
    pub mode: u32,
    /// The owner.
    pub uid: u64,
    /// The group.
    pub gid: u64,
    /// The time of the last change, in seconds since 1970, and nanoseconds after them.
    pub mtime: (i64, u32),
    /// Major and minor number of a device.
    pub device: (u32, u32),
    /// Bytes of content in the archive; a sparse file is longer, see [`TarEntry::length`].
    pub size: u64,
    /// Where a sparse file has data.
    pub sparse: Option<SparseMap>,
    /// Extended attributes, as they came; a later one of the same name wins.
    pub xattrs: Vec<(Vec<u8>, Vec<u8>)>,
}

impl TarEntry {
    /// Bytes of the file, holes included.
    pub fn length(&self) -> u64 {
        self.sparse.as_ref().map_or(self.size, SparseMap::size)
    }

    /// Bytes of memory that it takes to hold what it says of itself beyond the header's numbers.
    pub fn metadata(&self) -> u64 {
        let xattrs: usize = self.xattrs.iter().map(|(name, value)| name.len() + value.len()).sum();
        let sparse = self.sparse.as_ref().map_or(0, SparseMap::memory);
        (self.path.len() + self.link.len() + xattrs + sparse) as u64 + self.xattrs.len() as u64 * ATTRIBUTE
    }
}
