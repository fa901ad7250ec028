//! What all intercepted connections of a box share. Made by `mod.rs`.

use std::{
    fmt,
    sync::{Arc, OnceLock, PoisonError, RwLock},
};

use boxlite_spec::network::{control::Refusal, secret::SecretSpec};

use super::{secrets::Secrets, tls::Tls};
use crate::{
    backend::Reports,
    decision::{Decide, Decision, Destination, Refused},
};

/// What all intercepted connections of a box share.
#[derive(Debug)]
pub(super) struct Shared {
    pub(super) decide: Arc<dyn Decide>,
    pub(super) reports: Reports,
    /// Made when the box gets its first secrets.
    pub(super) tls: OnceLock<Tls>,
    /// The certificates of further authorities that `tls` trusts, in PEM.
    pub(super) roots: String,
    pub(super) secrets: Current,
}

impl Shared {
    /// Asks the policy about a name that was read from a connection which may go by name only.
    pub(super) fn check(&self, to: Destination, name: &str) -> Result<(), Refused> {
        match self.decide.decide_named(to, name) {
            Decision::Allowed(_) => Ok(()),
            Decision::Refused(refused) => Err(Refused { name: Some(name.to_owned()), ..refused }),
        }
    }

    /// Reports what was refused after the connection had been taken over.
    pub(super) fn report(&self, to: Destination, refused: &Refused) {
        self.reports.counters.count_refusal();
        self.reports.refusals.report(Refusal {
            address: Some(to.address),
            port: to.port,
            protocol: to.protocol,
            name: refused.name.clone(),
            rule: refused.rule.clone(),
            count: 1,
        });
    }
}

/// The secrets as they are now.
#[derive(Default)]
pub(super) struct Current(RwLock<Arc<Secrets>>);

impl fmt::Debug for Current {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.get().fmt(f)
    }
}

impl Current {
    /// Returns them.
    pub(super) fn get(&self) -> Arc<Secrets> {
        Arc::clone(&self.0.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// Replaces them.
    pub(super) fn set(&self, secrets: &[SecretSpec]) {
        *self.0.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(Secrets::new(secrets));
    }
}
