//! The client of OCI registries (OCI distribution-spec). Called by `origin`.
//!
//! `client` sends requests over a `connection` and reads the `answer`, `route` chooses between a registry and its mirrors, `auth` answers the registry's challenges with what `login` finds,
//! `backoff` decides when to try again. Written on
//! `reqwest` itself and not on `oci-client`: that one reads manifests, errors and tokens of any length into memory,
//! hides `Retry-After`, and passes over failed authentication in silence.

mod answer;
mod auth;
mod backoff;
mod client;
mod connection;
mod login;
mod route;

pub(crate) use answer::unreachable;
pub(crate) use backoff::Backoff;
pub(crate) use client::Registries;
pub(crate) use route::Route;
