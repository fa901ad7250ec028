//! The client of OCI registries (OCI distribution-spec). Called by `origin`.
//!
//! `registries` finds the way to an image, `route` chooses between a registry and its mirrors, `repository` sends requests over a
//! `connection` and reads the `answer`, `auth` answers the registry's challenges with what `login` finds, and `backoff` decides
//! when to try again. Written on `reqwest` itself and not on `oci-client`: that one reads manifests, errors and tokens of any
//! length into memory, hides `Retry-After`, and passes over failed authentication in silence.

mod answer;
mod auth;
mod backoff;
mod connection;
mod login;
mod registries;
mod repository;
mod route;

pub(crate) use answer::unreachable;
pub(crate) use backoff::Backoff;
pub(crate) use registries::Registries;
pub(crate) use route::Route;
