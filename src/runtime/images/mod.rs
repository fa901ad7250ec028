//! The runtime's face of its image cache: what `lib/images.ts` offers, through the addon.
//!
//! `pull` fetches an image and makes its root disk, telling its progress; `catalogue` lists, inspects, saves and loads;
//! `cache` keeps the whole within its quota; `lease` keeps what starts and pulls are about to use. Calls
//! `boxlite-images` and `boxlite-disk`.

mod cache;
mod catalogue;
mod lease;
mod pull;
mod queue;

pub use boxlite_images::{Credentials, Healthcheck, ImageConfig, Platform, PullEvent};
pub(crate) use cache::keep_quota;
pub use cache::{ImageUsage, Pruned};
pub use catalogue::{ImageDetails, ImageInfo};
pub(crate) use lease::{Lease, Leases};
pub use pull::{Progress, Pull, PullRequest, PulledImage};
