//! The client of OCI registries (OCI distribution-spec). Called by `origin`.
//!
//! `client` sends requests, `route` chooses between a registry and its mirrors, `auth` answers the registry's challenges,
//! `backoff` decides when to try again. Written on
//! `reqwest` itself and not on `oci-client`: that one reads manifests, errors and tokens of any length into memory,
//! hides `Retry-After`, and passes over failed authentication in silence.

mod auth;
mod backoff;
mod client;
mod route;

pub(crate) use backoff::Backoff;
pub(crate) use client::{Registries, unreachable};
pub(crate) use route::Route;
