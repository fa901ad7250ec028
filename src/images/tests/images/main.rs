//! Pulls from Debian's docker-registry, from layouts that skopeo accepts, and through a proxy that misbehaves.

#![allow(clippy::unwrap_used, reason = "tests")]

mod air_gap;
mod auth;
mod environment;
mod faults;
mod fixture;
mod layout;
mod mirrors;
mod proxy;
mod pull;
mod registry;
mod seeds;
mod shared;
mod store;
mod tunnel;
