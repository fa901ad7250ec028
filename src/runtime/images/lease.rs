//! Which images are about to be used: a start or a pull leases its image from the moment it is known until a box's
//! `config.json` names it, or the root disk is made. Held by `Shared`, asked by `cache` before it removes a root disk.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
};

/// The leased images, by their manifests' digests.
#[derive(Debug, Clone, Default)]
pub(crate) struct Leases(Arc<Mutex<HashMap<String, usize>>>);

/// Keeps an image's root disk while it lives.
#[derive(Debug)]
pub(crate) struct Lease {
    leases: Leases,
    digest: String,
}

impl Leases {
    pub(crate) fn take(&self, digest: &str) -> Lease {
        let mut leases = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        *leases.entry(digest.to_owned()).or_default() += 1;
        drop(leases);
        Lease { leases: self.clone(), digest: digest.to_owned() }
    }

    pub(crate) fn has(&self, digest: &str) -> bool {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).contains_key(digest)
    }

    /// Runs `remove` unless the image is leased; nobody leases it meanwhile.
    pub(crate) fn unless_leased<T>(&self, digest: &str, remove: impl FnOnce() -> T) -> Option<T> {
        let leases = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        (!leases.contains_key(digest)).then(remove)
    }
}

impl Drop for Lease {
    fn drop(&mut self) {
        let mut leases = self.leases.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(count) = leases.get_mut(&self.digest) {
            *count -= 1;
            if *count == 0 {
                leases.remove(&self.digest);
            }
        }
    }
}
