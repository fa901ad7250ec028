//! Where a registry's image can be had: at the registry's mirrors, in their order, and then at the registry itself.
//! Called by `origin`.
//!
//! A place that fails is left for the next one and not used again during this pull. Only the last one's error is returned.

use std::sync::atomic::{AtomicUsize, Ordering};

use reqwest::Response;

use super::repository::Repository;
use crate::{digest::Digest, error::Error};

/// The places, the one in use first.
#[derive(Debug)]
pub(crate) struct Route {
    places: Vec<Repository>,
    at: AtomicUsize,
}

impl Route {
    /// At least one place.
    pub(super) fn new(places: Vec<Repository>) -> Self {
        Self { places, at: AtomicUsize::new(0) }
    }

    /// See [`Repository::manifest`].
    pub(crate) async fn manifest(&self, tag_or_digest: &str) -> Result<(Vec<u8>, Digest), Error> {
        loop {
            let (at, place) = self.place();
            match place.manifest(tag_or_digest).await {
                Err(error) if self.leave(at, &error) => {}
                result => return result,
            }
        }
    }

    /// See [`Repository::blob`].
    pub(crate) async fn blob(&self, digest: &Digest, offset: u64) -> Result<(Response, u64, usize), Error> {
        loop {
            let (at, place) = self.place();
            match place.blob(digest, offset).await {
                Err(error) if self.leave(at, &error) => {}
                result => return result.map(|(response, offset)| (response, offset, at)),
            }
        }
    }

    /// Goes on to the place behind `at`, whose content was wrong or whose transfer broke; false if there is none.
    pub(crate) fn leave(&self, at: usize, error: &Error) -> bool {
        if at + 1 >= self.places.len() {
            return false;
        }
        if self.at.compare_exchange(at, at + 1, Ordering::AcqRel, Ordering::Acquire).is_ok() {
            tracing::warn!(mirror = self.places[at].registry.host, %error, "mirror left for the next one");
        }
        true
    }

    pub(crate) fn attempts(&self) -> u32 {
        self.place().1.attempts
    }

    fn place(&self) -> (usize, &Repository) {
        let at = self.at.load(Ordering::Acquire);
        (at, &self.places[at])
    }
}
