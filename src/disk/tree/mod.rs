//! The merged file system: layers applied one upon the other. Filled by `base`, laid out on a disk by `ext4`.
//!
//! `merged` is the tree, made of a `node` for each file and of `names` for what directories hold. `merge` has the rules of the
//! layers, and `walk` goes along a path.

mod merge;
mod merged;
mod names;
mod node;
mod walk;

pub(crate) use merged::Tree;
pub(crate) use node::{Kind, NodeId, ROOT};
