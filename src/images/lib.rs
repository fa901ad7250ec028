//! OCI images: found, fetched, verified and stored. The runtime's pipeline calls [`ImageManager::pull`] and hands the layers of the
//! [`Image`] that it gets to `boxlite-disk`.
//!
//! `source` distinguishes references to registries from files on this machine; images come from a `registry` or a `layout`; `store`
//! keeps blobs by digest and remembers which manifest each reference meant. `fetch` goes from a source's index to the layers.
//! `manager` is the face that ties them together, with `cache` for the store's content, `save` for archives and `repair` for
//! damaged layers. No input is trusted: every blob's digest is computed while it arrives, every size is bounded, and every request
//! has its time-outs.
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
mod repair;
mod rootfs;
mod save;
mod source;
mod store;
mod stored;
mod transfer;
mod unpack;

pub use cache::{ImageSummary, StoreUsage};
pub use digest::Digest;
pub use error::Error;
pub use hold::{Hold, Holds};
pub use image::{Healthcheck, Image, ImageConfig, Layer};
pub use manager::ImageManager;
pub use options::{Credentials, ImageOptions, PullOptions, PullPolicy, RegistryOptions, Timeouts};
pub use platform::Platform;
pub use progress::{History, ProgressSink, PullEvent, Step};
pub use repair::FailedAttempt;
pub use store::ImageStore;
