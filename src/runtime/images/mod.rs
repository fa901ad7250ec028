//! The runtime's face of its image cache: what `lib/images.ts` offers, through the addon.
//!
//! `pull` fetches an image and makes its root disk, telling its progress; `catalogue` lists, inspects, saves and loads;
//! `cache` keeps the whole within its quota, and spares what `in_use` finds. A start or a pull leases its image from the
//! moment it is known until a box's `config.json` names it, or the root disk is made. Calls `boxlite-images` and
//! `boxlite-disk`.

mod cache;
mod catalogue;
mod in_use;
mod news;
mod pull;
mod queue;

pub use boxlite_images::{Credentials, Healthcheck, ImageConfig, Platform, PullEvent};
pub(crate) use boxlite_images::{Hold as Lease, Holds as Leases};
pub(crate) use cache::keep_quota;
pub use cache::{ImageUsage, Pruned};
pub use catalogue::{ImageDetails, ImageInfo};
pub(crate) use in_use::InUse;
pub(crate) use news::PullNews;
pub use pull::{Progress, Pull, PullRequest, PulledImage};
