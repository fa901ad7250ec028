//! A node of the merged tree: a file, a directory or the like. Used by everything in `tree`, and by `ext4`, which reads it.

use std::num::NonZeroU32;

use crate::entry::{Meta, Special};

/// Where a node is among those of its tree.
pub(crate) type NodeId = u32;
pub(crate) const ROOT: NodeId = 0;
/// Where a name is among those of its tree.
pub(super) type NameId = u32;
/// The end of a directory's list of names, and the whole of an empty one.
pub(super) const NONE: NameId = NameId::MAX;

/// A file, directory or the like. An image has very many: 56 bytes.
#[derive(Debug)]
pub(crate) struct Node {
    pub(crate) meta: Meta,
    /// Which of the tree's lists of attributes.
    pub(super) xattrs: u32,
    pub(crate) kind: Kind,
}

#[derive(Debug, Clone, Copy)]
pub(crate) enum Kind {
    Dir(Dir),
    /// A regular file, by its length and its position in the layer that holds its content.
    File {
        size: u64,
        ordinal: u32,
        layer: u16,
        sparse: Option<SparseId>,
    },
    Symlink(Target),
    Special(Special),
}

#[derive(Debug, Clone, Copy)]
pub(crate) struct Dir {
    /// Where the list of its names begins.
    pub(super) first: NameId,
    /// The layer from which on nothing lower is left in here: a second whiteout has nothing to do.
    pub(super) pruned: Option<u16>,
}

/// Where a symbolic link's target is among those of all.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Target {
    pub(super) start: u32,
    pub(super) length: u16,
}

/// Counted from one.
#[derive(Debug, Clone, Copy)]
pub(crate) struct SparseId(pub(super) NonZeroU32);
