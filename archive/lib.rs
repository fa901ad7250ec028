//! Trees as tar streams: what `copyIn` and `copyOut` send, on both sides of the wire.
//!
//! The guest agent packs what leaves a box and unpacks what enters it; the runtime does the same on the host. [`pack()`]
//! writes a stream, [`unpack()`] reads one that may be hostile: whatever it holds, nothing outside the folder is touched.

#![allow(
    clippy::unnecessary_debug_formatting,
    reason = "names of a hostile archive are shown with their control characters escaped"
)]

mod allowance;
mod confined;
mod error;
mod meter;
mod pack;
mod pipe;
mod source;
mod unpack;

pub use error::{Error, Result};
pub use meter::{Meter, Progress};
pub use pack::pack;
pub use pipe::{PipeReader, PipeWriter};
pub use unpack::{Place, Unpack, unpack};
