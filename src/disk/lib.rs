//! Root disks: OCI layers in, one read-only ext4 image per OCI image out, and a qcow2 overlay per box on top of it.
//!
//! The runtime's pipeline calls [`ImageStorage::base`] with the layer files that `boxlite-images` fetched, [`Overlay::create`] for
//! each box, and [`free_leaked_clusters`] before its starts. Everything here blocks: call it from a blocking thread. No privileges
//! are needed: owners, device nodes and extended attributes are written into the ext4 image itself, never onto the host.
//!
//! A base is built in two passes over the layers, so that no file's content is ever held in memory:
//!
//! 1. `index` unpacks each layer, checks its `diff_id` and keeps only what the tar headers say (`entry`); `tree`
//!    merges the layers by the OCI rules: whiteouts, opaque directories, hard links across layers.
//! 2. `ext4` orders the merged tree, which fixes every block address, and unpacks the layers once more to stream the files
//!    that won straight to their place. Its disk is as small as the content allows (`estimate`); `resize` makes it as large as
//!    it is to be, which costs next to nothing.

mod acl;
mod base;
mod block_groups;
mod entry;
mod error;
mod estimate;
mod ext4;
#[cfg(fuzzing)]
pub mod hostile;
mod index;
mod layer;
mod leaks;
mod limits;
mod overlay;
mod padded;
mod read_ahead;
mod resize;
mod storage;
mod tree;
mod xattr;

pub use boxlite_unpack::{Cancel, Packing as Compression};

pub use base::{BaseDisk, DEFAULT_SIZE};
pub use error::Error;
pub use layer::LayerFile;
pub use leaks::free_leaked_clusters;
pub use limits::Limits;
pub use overlay::Overlay;
pub use storage::{BUILDER_VERSION, ImageStorage, StoredBase, base_digest};
