//! The one reader of tar archives, for all that comes from outside: image layers, image archives, and streams that are copied into a
//! box. Called by `boxlite-disk` and `boxlite-images` on the host, and by `unpack` in the guest.
//!
//! It believes no number that it reads: `reader` walks an archive's headers, of which those before one entry are bounded together.
//! `header` decodes what is special about their fields, `pax` and `pax_sparse` the extended headers (`value` their numbers), and
//! `sparse` says where a sparse file has data.

mod entry;
mod error;
mod header;
mod pax;
mod pax_sparse;
mod reader;
mod skip;
mod sparse;
mod value;

pub use entry::TarEntry;
pub use error::TarError;
pub use reader::TarReader;
pub use skip::{Skip, StoredFile, Stream};
pub use sparse::{SparseMap, SparseReader};
