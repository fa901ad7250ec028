//! The policy with QUIC refused to hosts with secrets: the gateway puts those into TCP only. Where a name decides, the policy refuses QUIC
//! itself. Programs go on over TCP at once when they are refused. Made by `mod.rs`.

use std::sync::Arc;

use boxlite_spec::network::rule::{Policy, Protocol};

use super::shared::Shared;
use crate::decision::{Decide, Decision, Destination, Refused};

/// The port of QUIC.
const PORT: u16 = 443;

/// Decides as the policy does, except about QUIC to hosts with secrets.
#[derive(Debug)]
pub(super) struct WithoutQuic(pub(super) Arc<Shared>);

impl WithoutQuic {
    fn narrow(&self, to: Destination, decision: Decision) -> Decision {
        if to.protocol != Protocol::Udp || to.port != PORT {
            return decision;
        }
        let Decision::Allowed(allowed) = decision else { return decision };
        if !allowed.name.as_deref().is_some_and(|name| self.0.secrets.get().are_for(name)) {
            return Decision::Allowed(allowed);
        }
        let rule = "secrets are put into TCP, not into QUIC".into();
        Decision::Refused(Refused { rule, name: allowed.name })
    }
}

impl Decide for WithoutQuic {
    fn decide(&self, to: Destination) -> Decision {
        self.narrow(to, self.0.decide.decide(to))
    }

    fn decide_named(&self, to: Destination, name: &str) -> Decision {
        self.narrow(to, self.0.decide.decide_named(to, name))
    }

    fn decide_unresolved(&self, name: &str, port: u16) -> (Destination, Decision) {
        // It is about TCP.
        self.0.decide.decide_unresolved(name, port)
    }

    fn set_policy(&self, policy: &Policy) {
        self.0.decide.set_policy(policy);
    }
}
