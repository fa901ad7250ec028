//! An ext4 file system, written out of a merged tree. Called by `base`.
//!
//! The formats of single structures, their checksums and the name hash are the `mkext4` crate's. Its builder, which holds
//! about a kilobyte of memory for each file, is not used but in tests, where it has to give the same bytes (`image::reference`). Here
//! the order (`order`) decides every address, and what is written is forgotten: a file costs what the tree has of it.
//!
//! `image` plans and writes the whole. `geometry` says where the file system's own tables are, `blocks` gives out blocks and
//! writes them; `disk` puts everything in its place with the help of `extents`, `attributes`, `directory` and `inode`;
//! `groups` describes the result.

mod attributes;
mod blocks;
mod directory;
mod dirent;
mod disk;
mod extents;
mod geometry;
mod groups;
mod htree;
mod image;
mod inode;
mod order;
mod sink;

pub(crate) use image::Image;
