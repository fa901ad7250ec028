//! OCI images: found, fetched, verified and kept. The runtime's pipeline calls [`ImageManager::pull`] and hands the
//! layers of the [`Image`] it gets to `boxlite-disk`.
//!
//! `source` tells a registry reference from what lies on this machine; `registry` and `layout` are the places that images come
//! from; `store` keeps blobs by digest and remembers which reference meant which manifest. `fetch` goes from a source's
//! index to the layers, and `manager` is the face that ties them together, with `cache` for what it keeps and `save` for
//! what leaves it. Nothing is trusted: every blob's digest is
//! computed while it arrives, every size is bounded, every request has its time-outs.
//!
//! Every `async fn` may be dropped at any time: what stays is a `.partial` blob that the next pull resumes.

mod blocking;
mod cache;
mod config_file;
mod digest;
mod docker;
mod error;
mod fetch;
mod files;
mod flight;
mod hold;
#[cfg(any(test, fuzzing))]
pub mod hostile;
mod image;
mod layout;
mod manager;
mod manifest;
mod options;
mod origin;
mod platform;
mod progress;
mod registry;
mod rootfs;
mod save;
mod source;
mod store;
mod stored;
mod transfer;
mod unpack;

pub use cache::{ImageSummary, StoreUsage};
pub use digest::Digest;
pub use error::{Error, ErrorKind};
pub use hold::{Hold, Holds};
pub use image::{Healthcheck, Image, ImageConfig, Layer};
pub use manager::ImageManager;
pub use options::{Credentials, ImageOptions, PullOptions, PullPolicy, RegistryOptions, Timeouts};
pub use platform::Platform;
pub use progress::{ProgressSink, PullEvent};
pub use store::ImageStore;
