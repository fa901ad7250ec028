//! What images and disks need to read what is not trusted: decompression within bounds, a flag by which long work is cancelled, and
//! texts that are made fit to be shown. Called by `boxlite-disk`, which unpacks layers, and by `boxlite-images`, which looks into
//! archives; the tar archives themselves are read by `boxlite-archive`.

mod cancel;
mod clip;
mod packing;

pub use cancel::{Cancel, CancelOnDrop, Cancellable, Cancelled};
pub use clip::{LONGEST_TEXT, clip};
pub use packing::Packing;
