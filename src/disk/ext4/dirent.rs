//! One entry of a directory: a name and the inode that it leads to (the kernel's `Documentation/filesystems/ext4`, "Directory
//! Entries"). Called by `directory` for the blocks of entries and by `htree` for the entries that its blocks begin with.

use mkext4::spec::{dirent, file_type};

#[derive(Debug, Clone, Copy)]
pub(super) struct Entry<'a> {
    pub(super) name: &'a str,
    pub(super) inode: u32,
    /// See `mkext4::spec::file_type`.
    pub(super) kind: u8,
}

impl Entry<'_> {
    /// The two entries that the directory `inode` in the directory `parent` begins with.
    pub(super) fn dots(inode: u32, parent: u32) -> [Self; 2] {
        [(".", inode), ("..", parent)].map(|(name, inode)| Entry { name, inode, kind: file_type::DIR })
    }

    /// Bytes that the entry takes at the least.
    pub(super) fn len(&self) -> usize {
        dirent::rec_len_for(self.name.len())
    }

    /// Writes the entry to the start of `at`, as one that takes `length` bytes.
    pub(super) fn write(&self, at: &mut [u8], length: usize) {
        at[..4].copy_from_slice(&self.inode.to_le_bytes());
        at[4..6].copy_from_slice(&u16::try_from(length).unwrap_or(u16::MAX).to_le_bytes());
        at[6] = u8::try_from(self.name.len()).unwrap_or(u8::MAX);
        at[7] = self.kind;
        at[8..8 + self.name.len()].copy_from_slice(self.name.as_bytes());
    }
}
