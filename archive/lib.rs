//! Trees as streams: what `copyIn` and `copyOut` send, on both sides of the wire.
//!
//! Between host and box a tree travels as [`send()`] writes it and [`receive()`] makes it anew; where the caller brings a stream or wants one
//! it is a tar archive, by [`pack()`] and [`unpack()`]. Whatever a stream holds, nothing outside of the destination is touched. Nothing
//! recurses: [`Folders`] is the way down a tree, which the guest's agent uses for its own walks too, as it does [`Content`].
//! [`TarReader`] reads tar archives within bounds, those of images too.

#![allow(
    clippy::unnecessary_debug_formatting,
    reason = "names of a hostile archive are shown with their control characters escaped"
)]

mod allowance;
mod attributes;
mod content;
mod destination;
mod error;
mod folders;
#[cfg(fuzzing)]
pub mod hostile;
mod linked;
mod meter;
mod pack;
mod pipe;
mod receive;
mod record;
mod send;
mod source;
mod tar;
mod unpack;
mod walk;

#[cfg(test)]
mod tests;

pub use ::tar::EntryType;
pub use content::Content;
pub use destination::{Owner, Rules};
pub use error::{Error, Result};
pub use folders::Folders;
pub use meter::{Meter, Progress};
pub use pack::pack;
pub use pipe::{PipeReader, PipeWriter};
pub use receive::receive;
pub use send::send;
pub use tar::{Skip, SparseMap, SparseReader, StoredFile, Stream, TarEntry, TarError, TarReader};
pub use unpack::unpack;
