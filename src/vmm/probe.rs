//! Which engines can run here, and what would help those that can't. Called by `boxlite-shim probe`; each engine's
//! `create` asks its own half when something went wrong.

use boxlite_spec::{EngineProblem, ProbeReport};

use crate::{host::ThisHost, krun, qemu};

/// How much to find out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ProbeScope {
    /// Stop at the first engine that can run, in the order of preference. No process is started where KVM works.
    First,
    /// Look at all of them, for a doctor: QEMU is started twice, some 50 ms.
    All,
}

/// Asks this machine.
pub fn probe(scope: ProbeScope) -> ProbeReport {
    let krun = krun::probe(&ThisHost);
    if scope == ProbeScope::First && krun.usable {
        return ProbeReport { engines: vec![krun] };
    }
    ProbeReport { engines: vec![krun, qemu::probe(&ThisHost, None)] }
}

/// One thing that is missing, with its remedy.
pub(crate) fn problem(code: &str, message: impl Into<String>, remedy: impl Into<String>) -> EngineProblem {
    EngineProblem { code: code.into(), message: message.into(), remedy: remedy.into() }
}
