//! Looks into connections: whether the name in their first bytes is allowed, and into which of them secrets are put. The gateway asks it by
//! [`Inspector`]; whoever makes the gateway makes it by [`Intercept::new`], and gives the gateway [`Intercept::decide`] as its policy.
//!
//! A connection that only a rule by name allows has to say that name itself, since many hosts share an address:
//! - TLS by the name in its handshake (SNI). Without one it is refused. Of a handshake that hides a name (ECH), the outer one counts.
//! - HTTP by the Host of every request, so it is served by `proxy` from its first request on. A request that is refused is answered by 403.
//! - A protocol of which neither is true says no name, so that the address, which this box resolved from an allowed name, is all there is
//!   to check. It passes, except on the ports 80 and 443, where it can only be an attempt to hide.
//! - Who begins a line that could become a request, and then is silent for ten seconds, is refused rather than left to wait. Who ends after it is
//!   judged by what was said.
//!
//! Where the box has secrets, TLS to their hosts is opened: to the box by an authority of its own, to the server with the host's roots. The
//! values are put into headers of requests whose Host equals the name in the handshake. All other TLS passes unopened.
//!
//! Files: [`first_bytes`] reads the name; `gate` checks each request, by `name` and `secrets`; `serve`, `tls`, `authority` and `proxy` carry
//! a connection that was taken over; `quic` refuses the QUIC into which no secret could be put; `answer` words the refusals.

pub(super) mod answer;
mod authority;
pub mod first_bytes;
mod gate;
#[cfg(any(test, fuzzing))]
pub mod hostile;
mod name;
mod proxy;
mod quic;
mod secrets;
mod serve;
mod shared;
#[cfg(test)]
mod tests;
mod tls;

use std::{
    pin::Pin,
    sync::{Arc, OnceLock},
};

use boxlite_spec::network::{NetworkSpec, rule::Protocol, secret::SecretSpec};

use self::{
    first_bytes::FirstBytes,
    quic::WithoutQuic,
    shared::{Current, Shared},
    tls::Tls,
};
use super::inspector::{Inspector, Intercepted, Verdict};
use crate::{
    backend::{NetworkError, Reports},
    decision::{Allowed, Decide, Destination, Refused},
};

/// The ports at which the name in the first bytes chooses the host.
const NAMED_PORTS: [u16; 2] = [80, 443];

/// Looks into the connections of one box.
#[derive(Debug)]
pub struct Intercept(Arc<Shared>);

impl Intercept {
    /// Prepares it. Where the box has secrets, its authority is made, and the host's certificates are read. A box that has none costs
    /// nothing until it gets its first ones by [`Inspector::set_secrets`].
    ///
    /// # Errors
    /// If there are secrets, and the host has no certificates that can be read, or `spec.ca_certificates` are none.
    pub fn new(spec: &NetworkSpec, decide: Arc<dyn Decide>, reports: Reports) -> Result<Self, NetworkError> {
        let roots = spec.ca_certificates.clone();
        let (tls, secrets) = (OnceLock::new(), Current::default());
        let made = Self(Arc::new(Shared { decide, reports, tls, roots, secrets }));
        made.set_secrets(&spec.secrets)?;
        Ok(made)
    }

    /// The policy with QUIC refused to hosts with secrets.
    pub fn decide(&self) -> Arc<dyn Decide> {
        Arc::new(WithoutQuic(Arc::clone(&self.0)))
    }

    fn check_tls(&self, to: Destination, allowed: &Allowed, name: Option<String>) -> Verdict {
        if allowed.by_name {
            let checked = match &name {
                Some(name) => self.0.check(to, name),
                None => Err(unnamed(allowed, "TLS without a name that can be read (SNI)")),
            };
            if let Err(refused) = checked {
                return Verdict::Refuse { refused, answer: answer::TLS_ACCESS_DENIED.to_vec() };
            }
        }
        match name {
            Some(name) if self.0.tls.get().is_some() && self.0.secrets.get().are_for(&name) => {
                Verdict::Intercept { name }
            }
            name => Verdict::Pass { name: name.filter(|_| allowed.by_name) },
        }
    }

    fn check_http(&self, to: Destination, allowed: &Allowed, name: Option<String>) -> Verdict {
        let checked = match name {
            Some(name) => self.0.check(to, &name).map(|()| name),
            None => Err(unnamed(allowed, "HTTP without a single Host that is a name")),
        };
        match checked {
            Ok(name) => Verdict::Intercept { name },
            Err(refused) => {
                let answer = answer::forbidden(&answer::refusal(to, &refused));
                Verdict::Refuse { refused, answer }
            }
        }
    }
}

/// Refuses a connection that says no name. The name by which the address was resolved is told, not that this is the host that was meant.
fn unnamed(allowed: &Allowed, rule: &str) -> Refused {
    Refused { rule: rule.into(), name: allowed.name.clone() }
}

impl Inspector for Intercept {
    fn wants(&self, to: Destination, allowed: &Allowed) -> bool {
        to.protocol == Protocol::Tcp && (allowed.by_name || self.0.tls.get().is_some())
    }

    fn inspect(&self, to: Destination, allowed: &Allowed, first: &[u8]) -> Verdict {
        match FirstBytes::read(first) {
            FirstBytes::Tls { name } => self.check_tls(to, allowed, name),
            // Only TLS gets secrets.
            _ if !allowed.by_name && first.first() != Some(&0x16) => Verdict::Pass { name: None },
            FirstBytes::Incomplete => Verdict::More,
            FirstBytes::Http1 { name } => self.check_http(to, allowed, name),
            // Every request is checked, of which none can be read yet.
            FirstBytes::Http2 => Verdict::Intercept { name: allowed.name.clone().unwrap_or_default() },
            FirstBytes::Other if NAMED_PORTS.contains(&to.port) => {
                let rule = "neither TLS nor HTTP on a port of theirs, by a rule that goes by name";
                Verdict::Refuse { refused: unnamed(allowed, rule), answer: Vec::new() }
            }
            FirstBytes::Other => Verdict::Pass { name: allowed.name.clone() },
        }
    }

    fn intercept(&self, connection: Intercepted) -> Pin<Box<dyn Future<Output = ()> + Send>> {
        Box::pin(serve::serve(Arc::clone(&self.0), connection))
    }

    fn authority(&self) -> Option<String> {
        self.0.tls.get().map(|tls| tls.authority.certificate().to_owned())
    }

    fn set_secrets(&self, secrets: &[SecretSpec]) -> Result<(), NetworkError> {
        if !secrets.is_empty() && self.0.tls.get().is_none() {
            // Whoever was first has made the authority that the box is told.
            let _ = self.0.tls.set(Tls::new(&self.0.roots)?);
        }
        self.0.secrets.set(secrets);
        Ok(())
    }
}
