//! `Linked`: files with several names, found again under each of them. Used by `pack` and `send`.

use std::{collections::HashMap, fs::Metadata, os::unix::fs::MetadataExt as _};

/// Most bytes of memory; of further files each name is a file of its own.
const MEMORY: usize = 64 << 20;
/// What a file takes besides what stands for its first name.
const FILE: usize = 64;

/// By device and inode, what stands for the first name.
#[derive(Debug)]
pub(crate) struct Linked<T> {
    files: HashMap<(u64, u64), T>,
    memory: usize,
}

impl<T> Default for Linked<T> {
    fn default() -> Self {
        Self { files: HashMap::new(), memory: 0 }
    }
}

impl<T: Clone> Linked<T> {
    /// What the first name of the file stands for, if this is another one. If it is the first, `new` is remembered, which takes `bytes`.
    pub(crate) fn first(&mut self, meta: &Metadata, new: &T, bytes: usize) -> Option<T> {
        let identity = (meta.dev(), meta.ino());
        let first = self.files.get(&identity).cloned();
        if first.is_none() && self.memory < MEMORY {
            self.memory += FILE + bytes;
            self.files.insert(identity, new.clone());
        }
        first
    }
}
