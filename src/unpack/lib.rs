//! What images come packed in: compressed files and tar archives, which strangers wrote. Read by `boxlite-disk`, which unpacks
//! layers, and by `boxlite-images`, which looks into archives.
//!
//! Nothing here believes a number that it reads: `tar` walks an archive's headers, of which those before one entry are bounded
//! together, `packing` tells compressions apart and bounds what they ask for, and everything that may take long gives up at a
//! [`Cancel`].

mod cancel;
mod clip;
mod error;
#[cfg(fuzzing)]
pub mod hostile;
mod packing;
mod pax;
mod pax_sparse;
mod skip;
mod sparse;
mod tar;
mod tar_header;

pub use ::tar::EntryType;
pub use cancel::{Cancel, CancelOnDrop, Cancellable, Cancelled};
pub use clip::{LONGEST_TEXT, clip};
pub use error::Error;
pub use packing::{Decoder, Packing};
pub use skip::{Skip, StoredFile};
pub use sparse::{SparseMap, SparseReader};
pub use tar::{TarEntry, TarReader};
