//! The runtime's face of its image cache: what `lib/images.ts` offers, through the addon.
//!
//! `pull` fetches an image and makes its root disk, with its progress in `steps`; `catalogue` lists, inspects, saves and loads;
//! `cache` enforces the quota, and spares what `in_use` finds. A start or a pull leases its image from the
//! moment it is known until a box's `config.json` names it, or the root disk is made. Calls `boxlite-images` and
//! `boxlite-disk`.

pub(crate) mod cache;
pub(crate) mod catalogue;
pub(crate) mod in_use;
pub(crate) mod pull;
pub(crate) mod pull_reporter;
pub(crate) mod steps;
